"""Represent a desktop for the API, in the client's language, with the addresses that its token permits."""

from datetime import datetime
from functools import cached_property
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from desktops import connection_info, selectors, token_scopes
from desktops import desktop_snapshot as rows
from desktops.desktop_snapshot import DesktopSnapshot
from desktops.models import MOVING, Desktop
from desktops.wording import diagnosis

facts = rows.snapshot_of


class Machinery:
    """The state of the parts that desktops in transition wait for. It is read when first needed, once per list."""

    @cached_property
    def facts(self) -> dict[str, Any]:
        return selectors.machinery()


def represent_snapshot(
    facts: DesktopSnapshot, *, may: frozenset[str], password: str | None = None, machinery: Machinery | None = None
) -> dict[str, Any]:
    """Return the representation of a desktop. Queries Redis for desktops in transition, and nothing else.

    `may`: the permissions of the request's token.
    """
    found = _diagnosis(facts, machinery)
    return {
        "pod_name": facts.pod_name,
        "id": facts.id,
        "name": facts.name,
        "status": facts.status,
        "status_since": facts.status_since,
        "reason": diagnosis.reason_of(facts.status, facts.reason, files_lost=facts.files_lost),
        "sentence": found.sentence,
        "next_step": found.next_step,
        "image": facts.image,
        "size": facts.size,
        "files_lost": facts.files_lost,
        "home_folder": facts.home_folder,
        "resource_quota": token_scopes.quantities(facts),
        "created_at": facts.created_at,
        "started_at": facts.started_at,
        "expires_at": facts.expires_at,
        "access_info": access_info(facts, may=may, password=password),
    }


def represent_pod(desktop: Desktop, *, may: frozenset[str], password: str | None = None) -> dict[str, Any]:
    return represent_snapshot(rows.snapshot_of(desktop), may=may, password=password)


def access_info(facts: DesktopSnapshot, *, may: frozenset[str], password: str | None = None) -> dict[str, Any]:
    """Return the addresses of a desktop. Those that the token does not permit or that do not exist are None.

    Host and ports are None if desktops are only reached through the portal.
    """
    permitted = {"vnc": "vnc" in may, "novnc": "vnc" in may, "ssh": "ssh" in may}
    ways = {way.kind: way for way in connection_info.access_methods(facts) if permitted[way.kind]}
    ports = {f"{kind}_port": ways[kind].port if kind in ways else None for kind in permitted}
    sockets = {"vnc": permitted["vnc"], "ssh": permitted["ssh"] and facts.has_ssh}
    return {
        "host": facts.exposed_host if ways else None,
        **ports,
        "vnc_password": password,
        "url": f"{settings.PUBLIC_URL}{reverse('desktops:detail', args=[facts.id])}",
        **{f"{kind}_websocket": websocket(facts.id, kind) if is_there else None for kind, is_there in sockets.items()},
        "ways": [{"kind": way.kind, "address": way.address} for way in ways.values()],
    }


def websocket(desktop_id: object, kind: str) -> str:
    """Return the URL of a desktop's WebSocket. `kind`: "vnc" or "ssh"."""
    return f"{settings.PUBLIC_URL.replace('http', 'ws', 1)}/ws/desktops/{desktop_id}/{kind}"


def _diagnosis(facts: DesktopSnapshot, machinery: Machinery | None) -> diagnosis.Diagnosis:
    if facts.status not in MOVING:
        return diagnosis.explain(
            diagnosis.DiagnosisInput(
                status=facts.status,
                reason=facts.reason,
                reason_facts=facts.reason_facts,
                files_lost=facts.files_lost,
            )
        )
    seconds = (timezone.now() - datetime.fromisoformat(facts.status_since)).total_seconds()
    missing = (machinery or Machinery()).facts
    return diagnosis.explain(
        diagnosis.DiagnosisInput(
            status=facts.status, reason=facts.reason, reason_facts=facts.reason_facts, seconds=seconds, **missing
        )
    )
