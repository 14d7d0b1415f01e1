// Builds and updates the document. A view returns a tree of plain objects; render() changes only what differs, so focus, scroll
// position, open <details> and running transitions survive a refresh. Text is always a text node: data never becomes markup.

const SVG = "http://www.w3.org/2000/svg";
const PROPERTIES = new Set(["value", "checked", "disabled", "selected", "hidden"]);
const known = new WeakMap();

/** One element: h("td", { class: "number" }, "12"). Null, undefined and false children vanish. */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, children: flat(children) };
}

/** Make the children of `parent` equal to the given trees. */
export function render(parent, ...children) {
  reconcile(parent, flat(children));
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
}

function reconcile(parent, wanted) {
  const keyed = new Map();
  for (const node of parent.childNodes) {
    const key = known.get(node)?.props?.key;
    if (key !== undefined) keyed.set(key, node);
  }
  let at = parent.firstChild;
  for (const want of wanted) {
    const node = match(keyed, at, want) ?? create(parent, want);
    update(node, want);
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
  }
  while (at !== null) {
    const next = at.nextSibling;
    parent.removeChild(at);
    at = next;
  }
}

function match(keyed, at, want) {
  if (typeof want !== "object") return at?.nodeType === Node.TEXT_NODE ? at : null;
  if (want.props.key !== undefined) {
    const found = keyed.get(want.props.key);
    return found !== undefined && known.get(found).tag === want.tag ? found : null;
  }
  const before = at === null ? undefined : known.get(at);
  return before !== undefined && before.tag === want.tag && before.props.key === undefined ? at : null;
}

function create(parent, want) {
  if (typeof want !== "object") return document.createTextNode("");
  const inSvg = want.tag === "svg" || (parent.namespaceURI === SVG && parent.localName !== "foreignObject");
  const node = inSvg ? document.createElementNS(SVG, want.tag) : document.createElement(want.tag);
  known.set(node, { tag: want.tag, props: {} });
  return node;
}

function update(node, want) {
  if (typeof want !== "object") {
    const text = String(want);
    if (node.data !== text) node.data = text;
    return;
  }
  const before = known.get(node).props;
  known.set(node, want);
  for (const name of Object.keys(before)) if (!(name in want.props)) set(node, name, undefined);
  // An `own` element is filled by someone else (a chart): its children are left alone.
  if (!want.props.own) reconcile(node, want.children);
  for (const [name, value] of Object.entries(want.props)) if (before[name] !== value) set(node, name, value);
}

function set(node, name, value) {
  if (name === "key" || name === "own") return;
  if (name.startsWith("on")) node[name] = value ?? null;
  else if (name === "css") for (const [variable, amount] of Object.entries(value ?? {})) node.style.setProperty(variable, amount);
  else if (PROPERTIES.has(name)) node[name] = value ?? "";
  else if (value === undefined || value === null || value === false) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}
