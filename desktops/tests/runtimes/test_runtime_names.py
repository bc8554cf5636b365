"""Object names are valid for any user, unique and stable."""

import re
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktops.runtimes.base import RuntimeFault
from desktops.runtimes.kubernetes import manifests
from desktops.runtimes.names import check, desktop_name, display, volume_name
from desktops.tests.support.kubernetes_namespace import a_cluster
from desktops.tests.support.runtime_specs import a_spec

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
ID = "3f2b8c1d-9e4a-4c0b-8a55-000000000001"


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ("ada", "vnc-ada-3f2b8c1d9e4a"),
        ("Ada.Lovelace@example.com", "vnc-ada-lovelace-example-com-3f2b8c1d9e4a"),
        ("Zoë Ångström", "vnc-zoe-angstrom-3f2b8c1d9e4a"),
        ("中文", "vnc-3f2b8c1d9e4a"),
        ("🦊", "vnc-3f2b8c1d9e4a"),
        ("עברית ليلى", "vnc-3f2b8c1d9e4a"),
        ("\u202eada", "vnc-ada-3f2b8c1d9e4a"),
        ("-", "vnc-3f2b8c1d9e4a"),
        ("  a  b  ", "vnc-a-b-3f2b8c1d9e4a"),
        ("", "vnc-3f2b8c1d9e4a"),
        ("../x", "vnc-x-3f2b8c1d9e4a"),
        ("--a--", "vnc-a-3f2b8c1d9e4a"),
        ("a\n\0b", "vnc-a-b-3f2b8c1d9e4a"),
        ("a" * 200, f"vnc-{'a' * 24}-3f2b8c1d9e4a"),
        ("a" * 23 + "-bc", f"vnc-{'a' * 23}-3f2b8c1d9e4a"),
    ],
)
def test_names(user, name):
    assert desktop_name(user, ID) == name
    assert volume_name(user, ID) == name.replace("vnc-", "home-", 1)


@given(st.text(max_size=300), st.uuids())
def test_every_name_is_a_label_that_leaves_room(user, desktop_id):
    for name in (desktop_name(user, str(desktop_id)), volume_name(user, str(desktop_id))):
        assert LABEL.fullmatch(name)
        assert len(name) <= 50


@given(st.text(max_size=50), st.text(max_size=50))
def test_two_desktops_never_share_a_name(one, other):
    assert desktop_name(one, str(uuid4())) != desktop_name(other, str(uuid4()))


@given(st.text(max_size=50), st.uuids())
def test_a_name_does_not_change(user, desktop_id: UUID):
    assert desktop_name(user, str(desktop_id)) == desktop_name(user, desktop_id.hex)


def test_what_is_no_id_is_refused():
    with pytest.raises(ValueError):
        desktop_name("ada", "not-a-uuid")


def test_two_that_slug_alike_get_two_names():
    ids = [str(uuid4()), str(uuid4())]
    made = {desktop_name(user, desktop_id) for user, desktop_id in zip(("a.b", "a-b"), ids, strict=True)}
    assert {name.rpartition("-")[0] for name in made} == {"vnc-a-b"}
    assert len(made) == 2


@pytest.mark.parametrize("name", ["", "-", "a-", "A", "a.b", "a" * 64, "中", "../x", "a\n"])
def test_what_is_no_label_is_refused(name):
    with pytest.raises(RuntimeFault, match="bad_name"):
        check(name)


@given(st.text(max_size=300))
def test_what_people_are_shown_fits_an_environment(user):
    shown = display(user)
    assert len(shown) <= 200
    assert not set(shown) & {"\0", "\n", "\x1b"}
    shown.encode()


@pytest.mark.parametrize("user", ["中文", "🦊", "a" * 200, "../x", "  a  b  ", "עברית", "\u202eada", "-", "", "a\0b"])
def test_objects_of_anybody_are_valid(user):
    """Labels contain only names and ids. Text of the user goes into an annotation."""
    desktop_id = str(uuid4())
    names = {"name": desktop_name(user, desktop_id), "volume": volume_name(user, desktop_id)}
    spec = a_spec(desktop_id=desktop_id, owner_name=user, **names)
    for make in (manifests.config_map, manifests.volume_claim):
        meta = make(spec, a_cluster("here"))["metadata"]
        assert LABEL.fullmatch(meta["name"])
        assert all(LABEL_VALUE.fullmatch(value) for value in meta["labels"].values())
        assert meta["annotations"] == {"podesk/owner-name": display(user)}
