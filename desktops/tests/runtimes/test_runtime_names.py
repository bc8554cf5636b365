"""Object names: valid for any user, unique, stable."""

import re
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desktops.runtimes.names import desktop_name, volume_name

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
ID = "3f2b8c1d-9e4a-4c0b-8a55-000000000001"


@pytest.mark.parametrize(
    ("user", "name"),
    [
        ("ada", "vnc-ada-3f2b8c1d9e4a"),
        ("Ada.Lovelace@example.com", "vnc-ada-lovelace-example-com-3f2b8c1d9e4a"),
        ("Zoë Ångström", "vnc-zoe-angstrom-3f2b8c1d9e4a"),
        ("中文", "vnc-3f2b8c1d9e4a"),
        ("🦊", "vnc-3f2b8c1d9e4a"),
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
