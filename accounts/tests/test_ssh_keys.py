"""Which public keys are accepted, and the messages for all other input. The keys come from ssh-keygen."""

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path
from struct import pack

import pytest

from accounts import ssh_keys
from accounts.audit import Actor
from accounts.models import AuditEvent, SSHKey


@pytest.fixture
def keygen(tmp_path) -> Callable[..., Path]:
    """Return a function that makes a key pair and returns the path of the private key. The public one is beside it."""

    def make(*options: str, comment: str = "alice@laptop") -> Path:
        path = tmp_path / f"key{len(list(tmp_path.iterdir()))}"
        options = options or ("-t", "ed25519")
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", comment, "-f", path, *options], check=True)
        return path

    return make


@pytest.fixture
def public(keygen) -> Callable[..., str]:
    return lambda *options, **more: keygen(*options, **more).with_suffix(".pub").read_text()


def refusal(text: str) -> str:
    with pytest.raises(ssh_keys.KeyRefused) as refused:
        ssh_keys.parse(text)
    return str(refused.value.message)


def held_on_a_token(kind: str, *parts: bytes) -> str:
    blob = b"".join(pack(">I", len(part)) + part for part in (kind.encode(), *parts))
    return f"{kind} {base64.b64encode(blob).decode()} on a token"


KINDS = [
    ("-t", "ed25519"),
    ("-t", "rsa", "-b", "2048"),
    ("-t", "rsa", "-b", "4096"),
    *(("-t", "ecdsa", "-b", bits) for bits in ("256", "384", "521")),
]


@pytest.mark.parametrize("options", KINDS, ids=" ".join)
def test_takes_what_ssh_keygen_makes(keygen, options):
    path = keygen(*options).with_suffix(".pub")
    key = ssh_keys.parse(path.read_text())
    shown = subprocess.run(["ssh-keygen", "-l", "-f", path], capture_output=True, text=True, check=True).stdout
    assert key.fingerprint == shown.split()[1]
    assert str(key) == " ".join(path.read_text().split()[:2])
    assert key.comment == "alice@laptop"


def test_takes_keys_on_hardware_tokens():
    key = ssh_keys.parse(held_on_a_token("sk-ssh-ed25519@openssh.com", b"\x01" * 32, b"ssh:"))
    assert (key.kind, key.comment) == ("sk-ssh-ed25519@openssh.com", "on a token")


@pytest.mark.parametrize("around", ["{}", "  {}\r\n\n", "\t{}"])
def test_blanks_around_do_not_matter(public, around):
    line = public().strip()
    assert ssh_keys.parse(around.format(line)) == ssh_keys.parse(line)


def test_any_comment_will_do(public):
    assert ssh_keys.parse(public(comment="")).comment == ""
    assert ssh_keys.parse(public(comment="王的 笔记本 🔑")).comment == "王的 笔记本 🔑"
    assert ssh_keys.parse(f"{public().split(' alice')[0]} a\x07b").comment == "ab"


@pytest.mark.parametrize("options", [("-t", "ed25519"), ("-t", "rsa", "-m", "PEM"), ("-t", "rsa", "-m", "PKCS8")])
def test_private_keys_are_refused_with_a_warning(keygen, options):
    text = keygen(*options).read_text()
    assert refusal(text).startswith("This is a private key. Never paste it anywhere")
    assert refusal(text.replace("\n", " ")).startswith("This is a private key.")
    assert refusal("x" * ssh_keys.LONGEST + text).startswith("This is a private key.")


def test_puttys_private_keys_are_private_too():
    assert refusal("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none").startswith("This is a private key.")


def test_options_are_refused(public):
    for options in ('command="rm -rf /"', "no-pty", 'from="10.0.0.1",no-pty', "restrict"):
        assert "Options before the key" in refusal(f"{options} {public()}")


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\r", "\x0b", "\u2028", "\x85"])
def test_several_lines_are_refused(public, separator):
    """Each of them could add a second key, or options, to authorized_keys."""
    assert "single line" in refusal(f"{public().strip()}{separator}{public()}")


def test_weak_keys_are_refused(public):
    assert "DSA keys are no longer secure" in refusal(public("-t", "dsa"))
    assert "too short to be secure" in refusal(public("-t", "rsa", "-b", "1024"))


def test_the_other_format_is_refused_with_the_way_out(keygen):
    path = keygen()
    exported = subprocess.run(["ssh-keygen", "-e", "-f", path], capture_output=True, text=True, check=True).stdout
    assert "ssh-keygen -i" in refusal(exported)


@pytest.mark.parametrize(
    "damage",
    [
        lambda line: line[:-20],
        lambda line: line.split()[0],
        lambda line: f"{line.split()[0]} !!!!",
        lambda line: f"{line.split()[0]} {line.split()[1]}AAAA",
        lambda line: f"ssh-rsa {line.split()[1]}",
        lambda line: f"{line.split()[0]} ünïcode",
        lambda line: held_on_a_token("ssh-ed25519", b"\x01" * 31),
    ],
)
def test_damaged_keys_are_refused(public, damage):
    assert "damaged or incomplete" in refusal(damage(public(comment="")))


@pytest.mark.parametrize("text", ["hello", "123", "<script>", "~/.ssh/id_ed25519.pub", "ssh-ed25519-cert AAAA"])
def test_other_things_are_refused(text):
    assert "not an SSH public key" in refusal(text)


@pytest.mark.parametrize("text", ["", "  \n "])
def test_nothing_is_asked_for(text):
    assert refusal(text) == "Paste a public key."


def test_too_long_is_refused(public):
    assert "too long" in refusal(public() + "x" * ssh_keys.LONGEST)


def test_added_removed_and_written_down(alice, bob, public):
    line, by = public(), Actor(alice, "192.0.2.7")
    key = ssh_keys.add_key(by=by, text=line)
    assert (key.name, key.kind) == ("alice@laptop", "ssh-ed25519")
    other = ssh_keys.add_key(by=by, text=public(comment=""), name="  desk  ")
    ssh_keys.add_key(by=Actor(bob), text=line)  # two users may have the same key
    assert ssh_keys.authorized_keys(alice) == f"{key.public_key}\n{other.public_key}\n"
    ssh_keys.delete_key(by=by, key=other)
    assert ssh_keys.authorized_keys(alice) == " ".join(line.split()[:2]) + "\n"
    events = AuditEvent.objects.filter(actor=alice).order_by("pk").values_list("action", "details__name", "address")
    assert list(events) == [
        ("ssh_key.add", "alice@laptop", "192.0.2.7"),
        ("ssh_key.add", "desk", "192.0.2.7"),
        ("ssh_key.delete", "desk", "192.0.2.7"),
    ]


def test_sshd_reads_what_is_stored(alice, public, tmp_path):
    for options in KINDS:
        ssh_keys.add_key(by=Actor(alice), text=public(*options))
    (tmp_path / "authorized_keys").write_text(ssh_keys.authorized_keys(alice))
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", tmp_path / "authorized_keys"], capture_output=True, text=True, check=True
    ).stdout
    assert [line.split()[1] for line in shown.splitlines()] == [key.fingerprint for key in SSHKey.objects.all()]


def test_the_same_key_twice_is_refused(alice, public):
    line = public()
    ssh_keys.add_key(by=Actor(alice), text=line)
    with pytest.raises(ssh_keys.KeyRefused) as refused:
        ssh_keys.add_key(by=Actor(alice), text=f"{' '.join(line.split()[:2])} another comment", name="another")
    assert "already added this key" in str(refused.value.message)


def test_there_is_an_end(alice, public):
    for number in range(ssh_keys.MOST):
        SSHKey.objects.create(owner=alice, name="", public_key="", fingerprint=str(number))
    with pytest.raises(ssh_keys.KeyRefused) as refused:
        ssh_keys.add_key(by=Actor(alice), text=public())
    assert "maximum number of keys" in str(refused.value.message)
    assert SSHKey.objects.count() == ssh_keys.MOST


def test_a_name_always_fits(alice, public):
    assert len(ssh_keys.add_key(by=Actor(alice), text=public(comment="x" * 500)).name) == 100
    assert ssh_keys.add_key(by=Actor(alice), text=public(comment="")).name == "ssh-ed25519"
