"""Make objects that schemathesis may change and delete. Run by test_api_fuzz.py in `manage.py shell`."""

import json
from datetime import timedelta

from django.contrib.auth.models import Group
from django.utils import timezone

from accounts.models import Quota, User
from desktops.models import Volume

OF_EACH = 20  # more than schemathesis deletes


def make() -> None:
    """Make the objects and print their ids, by the name of the parameter that takes them."""
    admin = User.objects.get(username="admin")
    groups = [Group.objects.create(name=f"group-{n}") for n in range(OF_EACH)]
    quotas = [Quota.objects.create(group=group, desktops=1) for group in groups]
    users = [User.objects.create_user(f"user-{n}") for n in range(OF_EACH)]
    now = timezone.now()
    times = {"kept_at": now, "expires_at": now + timedelta(days=30)}
    volumes = [
        Volume.objects.create(owner=admin, object_name=f"home-{n}", desktop_name="gone", storage_gib=1, **times)
        for n in range(OF_EACH)
    ]
    made = {"quota_id": quotas, "user_id": users, "volume_id": volumes}
    print(json.dumps({name: [str(row.pk) for row in rows] for name, rows in made.items()}))
