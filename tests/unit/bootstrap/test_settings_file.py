"""A provider goes into the settings file and nothing else of the file moves."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from scheduler.bootstrap.settings import ProviderIn, load_settings
from scheduler.bootstrap.settings_file import add_provider, with_provider
from scheduler.domain.errors import InvalidInputError

NEW = ProviderIn(name="cudo", regions=["no-luster-1"], options={"project": "p-1", "disk_gib": "200"})
FILES = {
    "a list": "port: 8700 # why\nproviders:\n- name: aws # ours\n  regions: [us-east-1]\n\n# the rest\ntick_s: 1\n",
    "an indented list": "providers:\n  - name: aws\n    options:\n      image: x\n      # key_name: later\n\nport: 8700\n",
    "a list at the end": "port: 8700\nproviders:\n- name: aws\n- name: gcp\n  kind: simulated",
    "a list of lines": "providers:\n- name: aws\n  options:\n    image: |\n      one\n      two\n\nport: 8700\n",
    "a flow list": "providers: [{name: aws}, # kept\n  {name: gcp},]\nport: 8700\n",
    "an empty list": "providers: [] # none yet\nport: 8700\n",
    "carriage returns": "port: 8700\r\nproviders:\r\n- name: aws\r\n",
    "other settings only": "# mine\nport: 8700 # why\n",
    "a comment only": "# mine",
    "nothing": "",
    "a document": "---\nport: 8700\nproviders:\n- name: aws\n",
}


@pytest.mark.parametrize("text", FILES.values(), ids=list(FILES))
def test_what_stands_in_the_file_stays_to_the_byte(tmp_path: Path, text: str) -> None:
    file = tmp_path / "headrace.yaml"
    file.write_bytes(text.encode())
    file.chmod(0o640)
    before = load_settings(file)
    add_provider(file, NEW)
    changed = file.read_bytes().decode()
    start = next((n for n, (a, b) in enumerate(zip(text, changed, strict=False)) if a != b), len(text))
    assert changed.startswith(text[:start])
    assert changed.endswith(text[start:])
    assert changed.count("\n") == changed.count("\r\n") or "\r" not in changed
    after = load_settings(file)
    assert [each.name for each in after.providers] == [*(each.name for each in before.providers), "cudo"]
    assert after.model_copy(update={"providers": before.providers}) == before
    assert after.providers[-1].options == NEW.options
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["headrace.yaml"]


def test_a_comment_stays_with_the_provider_above_it() -> None:
    changed = with_provider(FILES["an indented list"], NEW)
    assert changed.index("key_name") < changed.index("cudo") < changed.index("port")


def test_a_file_that_is_not_there_is_made_and_keeps_what_was_read_without_it(tmp_path: Path) -> None:
    file = tmp_path / "headrace.yaml"
    add_provider(file, NEW)
    assert [each.name for each in load_settings(file).providers] == ["snapshot", "cudo"]
    add_provider(file, ProviderIn(name="cudo", account="second"))
    assert [each.account for each in load_settings(file).providers] == ["default", "default", "second"]


def test_the_default_alone_is_not_written_twice(tmp_path: Path) -> None:
    file = tmp_path / "headrace.yaml"
    add_provider(file, ProviderIn(name="snapshot"))
    assert yaml.safe_load(file.read_text()) == {"providers": [{"name": "snapshot"}]}


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real.yaml", tmp_path / "headrace.yaml"
    real.write_text("port: 8700\n")
    link.symlink_to(real)
    add_provider(link, NEW)
    assert link.is_symlink()
    assert "cudo" in real.read_text()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("providers:\n- name: cudo\n", "name"),
        ("prot: 1\n", "prot"),
        ("- a\n", "config"),
        ("port: 8700\n...\n", "config"),
        ("{port: 8700}\n", "config"),
        ("providers: [\n", "config"),
        ("port: b\n", "port"),
    ],
)
def test_a_file_that_cannot_be_added_to_is_left_alone(tmp_path: Path, text: str, field: str) -> None:
    file = tmp_path / "headrace.yaml"
    file.write_text(text)
    with pytest.raises(InvalidInputError) as refused:
        add_provider(file, NEW)
    assert refused.value.field == field
    assert file.read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["headrace.yaml"]


def test_what_would_have_no_effect_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_PROVIDERS", "[]")
    with pytest.raises(InvalidInputError, match="HEADRACE_PROVIDERS"):
        add_provider(tmp_path / "headrace.yaml", NEW)
    assert not list(tmp_path.iterdir())
