"""Which quota applies, and its source."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction

from accounts.models import Quota
from accounts.quotas import effective

pytestmark = pytest.mark.usefixtures("first_rows")


@pytest.fixture
def group(alice):
    def make(name: str, **limits) -> None:
        group = Group.objects.create(name=name)
        alice.groups.add(group)
        Quota.objects.create(group=group, **limits)

    return make


def test_default(alice):
    quota = effective(alice)
    assert (quota.cpu.value, quota.memory_mib.value, quota.storage_gib.value) == (Decimal(2), 4096, 10)
    assert (quota.gpu.value, quota.desktops.value) == (0, 1)
    assert (quota.max_lifetime_minutes.value, quota.idle_minutes.value) == (0, 120)
    assert quota.cpu.source == quota.idle_minutes.source == "default"


def test_own_row_wins_field_by_field(alice, group):
    group("staff", cpu=8, memory_mib=8192)
    Quota.objects.create(user=alice, cpu=1)
    quota = effective(alice)
    assert (quota.cpu.value, quota.cpu.source) == (Decimal(1), "user")
    assert (quota.memory_mib.value, quota.memory_mib.source) == (8192, "group staff")
    assert (quota.storage_gib.value, quota.storage_gib.source) == (10, "default")


def test_own_zero_is_a_word_too(alice):
    Quota.objects.create(user=alice, desktops=0)
    assert (effective(alice).desktops.value, effective(alice).desktops.source) == (0, "user")


def test_group_that_gives_less_than_the_default_counts(alice, group):
    group("guests", cpu=1)
    assert (effective(alice).cpu.value, effective(alice).cpu.source) == (Decimal(1), "group guests")


@pytest.mark.parametrize(
    ("field", "one", "other", "wins"),
    [
        ("cpu", "1.5", "4", Decimal(4)),
        ("memory_mib", 2048, 1024, 2048),
        ("storage_gib", 0, 5, 5),
        ("gpu", 0, 1, 1),
        ("desktops", 3, 2, 3),
        ("max_lifetime_minutes", 60, 0, 0),
        ("max_lifetime_minutes", 60, 90, 90),
        ("idle_minutes", 0, 600, 0),
        ("idle_minutes", 10, 600, 600),
        ("idle_minutes", 10, None, 10),
    ],
)
def test_most_generous_group(alice, group, field, one, other, wins):
    group("one", **{field: one})
    group("other", **{field: other})
    assert getattr(effective(alice), field).value == wins


def test_equal_groups_give_one_source(alice, group):
    group("zoo", gpu=1)
    group("art", gpu=1)
    assert effective(alice).gpu.source == "group art"


def test_groups_and_rows_of_others_do_not_count(alice, bob):
    group = Group.objects.create(name="rich")
    bob.groups.add(group)
    Quota.objects.create(group=group, cpu=64)
    Quota.objects.create(user=bob, memory_mib=65536)
    assert (effective(alice).cpu.value, effective(alice).memory_mib.value) == (Decimal(2), 4096)


def test_nothing_without_the_default(alice):
    Quota.objects.all().delete()
    quota = effective(alice)
    assert (quota.cpu.value, quota.desktops.value, quota.cpu.source) == (Decimal(0), 0, "default")
    assert (quota.max_lifetime_minutes.value, quota.idle_minutes.value) == (0, 0)


def test_one_query_whatever_the_number_of_groups(alice, group, django_assert_num_queries):
    for number in range(5):
        group(f"group {number}", cpu=number)
    with django_assert_num_queries(1):
        assert effective(alice).cpu.value == 4


@pytest.mark.parametrize(
    ("cpu", "memory_mib", "claims"),
    [
        ("2", 4096, {"cpu": "2", "memory": "4Gi", "storage": "10Gi"}),
        ("0.50", 512, {"cpu": "0.5", "memory": "512Mi", "storage": "10Gi"}),
        ("10.00", 1536, {"cpu": "10", "memory": "1536Mi", "storage": "10Gi"}),
        ("100", 102400, {"cpu": "100", "memory": "100Gi", "storage": "10Gi"}),
        ("0", 0, {"cpu": "0", "memory": "0Gi", "storage": "10Gi"}),
    ],
)
def test_as_claims(alice, cpu, memory_mib, claims):
    Quota.objects.create(user=alice, cpu=cpu, memory_mib=memory_mib)
    assert effective(alice).as_claims() == claims


@pytest.mark.parametrize("twice", ["default", "both"])
def test_database_keeps_the_rows_apart(alice, twice):
    group = Group.objects.create(name="staff") if twice == "both" else None
    user = alice if twice == "both" else None
    with pytest.raises(IntegrityError), transaction.atomic():
        Quota.objects.create(user=user, group=group)


def test_backups_are_made_only_if_a_quota_says_so(alice):
    assert (effective(alice).backups.value, effective(alice).backup_storage_gib.value) == ("never", 0)


@pytest.mark.parametrize(
    ("one", "other", "wins"),
    [("never", "daily", "daily"), ("hourly", "daily", "hourly"), (None, "never", "never")],
)
def test_the_group_with_the_most_frequent_backups_wins(alice, group, one, other, wins):
    Quota.objects.filter(user=None, group=None).update(backups="hourly")
    group("a", backups=one)
    group("b", backups=other)
    assert effective(alice).backups.value == wins
    Quota.objects.create(user=alice, backups="never")
    assert (effective(alice).backups.value, effective(alice).backups.source) == ("never", "user")


def test_no_limit_of_backup_storage_is_more_than_any_limit(alice, group):
    group("a", backup_storage_gib=0)
    group("b", backup_storage_gib=100)
    assert effective(alice).backup_storage_gib.value == 0
