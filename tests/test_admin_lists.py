"""Each list of the admin answers a filter or selection that no column takes with the whole list."""

import pytest
from django.contrib import admin
from django.urls import reverse
from django_rq.models import Dashboard

from accounts.models import AuditEvent, SessionToken

LISTED = [model for model in admin.site._registry if model is not Dashboard]  # django_rq's page is no list
NO_KEYS = ["\0", "x", "9" * 23]
BAD_FILTERS = ["created_at__year=99999", "at__gte=0001-01-01T00:00:00%2B23:59", "at__gte=9999-12-31 23:59:59-23:59"]


@pytest.fixture
def browser(admin, client_for):
    return client_for(admin)


def list_of(model) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def actions_of(model, browser) -> list[str]:
    shown = browser.get(list_of(model)).context.get("action_form")
    return [value for value, _ in shown.fields["action"].choices if value] if shown else []


@pytest.mark.parametrize("model", LISTED, ids=lambda model: model._meta.model_name)
def test_selection_of_what_is_no_row(browser, model):
    for action in actions_of(model, browser):
        for key in NO_KEYS:
            sent = {"action": action, "_selected_action": key, "index": "0"}
            assert browser.post(list_of(model), sent, follow=True).status_code == 200


@pytest.mark.parametrize("model", [AuditEvent, SessionToken], ids=lambda model: model._meta.model_name)
@pytest.mark.parametrize("asked", BAD_FILTERS)
def test_time_outside_the_calendar(browser, model, asked):
    assert browser.get(f"{list_of(model)}?{asked}", follow=True).status_code == 200


@pytest.mark.parametrize("asked", BAD_FILTERS[1:])
def test_export_with_a_time_outside_the_calendar(browser, asked):
    address = reverse("admin:accounts_auditevent_export")
    assert browser.get(f"{address}?{asked}", follow=True).status_code == 200
