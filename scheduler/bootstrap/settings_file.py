"""Puts a provider into the settings file: everything else of the file stays as it is, to the byte."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from scheduler.bootstrap.settings import ProviderIn, default_providers, load_settings
from scheduler.domain.errors import ConflictError, InvalidInputError

BY_HAND = "Add the block by hand."


def entry(given: ProviderIn) -> dict[str, object]:
    """A provider as the file holds it, without what says nothing."""
    found: dict[str, object] = {"name": given.name}
    if given.kind not in ("", given.name):
        found["kind"] = given.kind
    if given.account != "default":
        found["account"] = given.account
    return found | {name: value for name in ("endpoint", "regions", "options") if (value := getattr(given, name))}


def block(entries: Sequence[dict[str, object]], indent: int = 0) -> str:
    """Entries as items of a YAML list."""
    text = yaml.safe_dump(list(entries), sort_keys=False, allow_unicode=True, width=1000)
    return "".join(" " * indent + line for line in text.splitlines(keepends=True))


def with_provider(text: str, given: ProviderIn) -> str:
    """The file's text with one provider more.

    Where the file named none, the providers that it had by default are written too: a list replaces them.

    Raises:
        InvalidInputError: the file is written in a way that cannot be added to without touching the rest.
    """
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    listed = _child(root, "providers") if isinstance(root, yaml.MappingNode) else None
    newline = "\r\n" if "\r\n" in text else "\n"
    if isinstance(listed, yaml.SequenceNode):
        at, added = _in_flow(listed, given) if listed.flow_style else _in_block(text, listed, given)
    else:
        kept = [each for each in default_providers() if each.name != given.name]
        at, added = len(text), "providers:\n" + block([*map(entry, kept), entry(given)])
    before = text[:at]
    gap = newline if added.endswith("\n") and before and not before.endswith("\n") else ""
    changed = before + gap + added.replace("\n", newline) + text[at:]
    _same_but_for(text, changed, given)
    return changed


def _in_block(text: str, listed: yaml.SequenceNode, given: ProviderIn) -> tuple[int, str]:
    """After the last item and the comments that belong to it."""
    dash, at = listed.start_mark.column, _end_of(listed)
    if at and text[at - 1] != "\n":
        at = _next_line(text, at)
    while at < len(text):
        line = text[at : _next_line(text, at)]
        if not line.lstrip(" ").startswith("#") or len(line) - len(line.lstrip(" ")) <= dash:
            break
        at += len(line)
    return at, block([entry(given)], dash)


def _in_flow(listed: yaml.SequenceNode, given: ProviderIn) -> tuple[int, str]:
    item = yaml.safe_dump(entry(given), sort_keys=False, allow_unicode=True, default_flow_style=True, width=1000).strip()
    if listed.value:
        return listed.value[-1].end_mark.index, f", {item}"
    return listed.end_mark.index - 1, item


def _next_line(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def _end_of(node: yaml.Node) -> int:
    """Where the text of a node ends; the mark of a block collection lies behind the comments and blank lines that follow."""
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _end_of(last[1] if isinstance(node, yaml.MappingNode) else last)
    end: int = node.end_mark.index
    return end


def _child(node: yaml.MappingNode, name: str) -> yaml.Node | None:
    return next((value for key, value in node.value if key.value == name), None)


def _same_but_for(text: str, changed: str, given: ProviderIn) -> None:
    """Whoever adds to a file by its text looks at what it says afterwards."""
    try:
        before, after = yaml.safe_load(text) or {}, yaml.safe_load(changed)
    except yaml.YAMLError as error:
        raise InvalidInputError("config", "", "is written in a way that cannot be added to", BY_HAND) from error
    had: list[Any] = before.get("providers") or []
    now: list[Any] = after.get("providers") or [] if isinstance(after, dict) else []
    rest = {name: value for name, value in before.items() if name != "providers"}
    if now[-1:] != [entry(given)] or (had and now[:-1] != had) or rest != {name: after[name] for name in after if name != "providers"}:
        raise InvalidInputError("config", "", "is written in a way that cannot be added to", BY_HAND)


def add_provider(path: Path, given: ProviderIn) -> None:
    """Write a provider into the file, or make the file. What is half-written never stands in its place.

    Raises:
        InvalidInputError: the file cannot be used, or has a provider of this name and account.
        ConflictError: the file changed meanwhile.
    """
    if "HEADRACE_PROVIDERS" in os.environ:
        raise InvalidInputError("HEADRACE_PROVIDERS", "***", "is set and wins over the file", "Unset it, or add the provider there.")
    path = path.resolve()
    before = _content(path)
    text = _text(path, before or b"")
    if before is not None:
        listed = load_settings(path).providers
        if "providers" in (yaml.safe_load(text) or {}) and any((each.name, each.account) == (given.name, given.account) for each in listed):
            remedy = "Choose another --name or --account."
            raise InvalidInputError("name", given.name, f"is configured already for account {given.account}", remedy)
    changed = with_provider(text, given).encode()
    try:
        made, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=path.parent)
    except OSError as error:
        raise InvalidInputError("config", str(path), error.strerror or "cannot be written", "Name a file in a writable folder.") from error
    new = Path(name)
    try:
        with os.fdopen(made, "wb") as file:
            file.write(changed)
            file.flush()
            os.fsync(file.fileno())
        load_settings(new)
        _take_after(new, path)
        if _content(path) != before:
            raise ConflictError(f"{path} was changed meanwhile: nothing is written, try again")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidInputError("config", str(path), error.strerror or "cannot be read", "Name a readable YAML file.") from error


def _text(path: Path, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInputError("config", str(path), "is not UTF-8", "Save it as UTF-8.") from error


def _take_after(new: Path, old: Path) -> None:
    """Mode and owner of the old file; what the umask leaves where there was none."""
    try:
        was = old.stat()
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        new.chmod(0o666 & ~mask)
        return
    new.chmod(was.st_mode & 0o7777)
    with contextlib.suppress(PermissionError):
        os.chown(new, was.st_uid, was.st_gid)
