"""Derive the state of a desktop from its pod and events. Pure."""

from datetime import datetime
from typing import Any

from desktops.runtimes.base import Observed, Phase, VNCEndpoint
from desktops.runtimes.kubernetes.manifests import CONTAINER, DESKTOP, ENDPOINT, RUN
from desktops.runtimes.kubernetes.pod_reasons import verdict
from desktops.runtimes.kubernetes.pod_verdict import condition

Body = dict[str, Any]

_NEVER = "1970"  # the start year of a container that could not be started
_SANDBOX_READY = ("PodReadyToStartContainers", "PodHasNetwork")  # from 1.28 on; in 1.25 to 1.27
STEPS = ("scheduled", "mounted", "pulled", "started", "ready")


def observed(pod: Body, events: list[Body]) -> Observed:
    """Return the state of a desktop. `events` may be in any order and include events of other objects."""
    meta = pod["metadata"]
    whole = sorted(map(_completed, events), key=_in_order)
    own = [event for event in whole if about(event).get("uid") == meta["uid"]]
    of_claim = [event for event in whole if claim_of(pod) and is_of_claim(event, claim_of(pod))]
    container = _container(pod["status"])
    phase, reason, detail = verdict(pod, container, own, of_claim)
    return Observed(
        **identity(meta),
        phase=phase,
        endpoint=_endpoint(meta) if phase is Phase.READY else None,
        steps=_steps(pod["status"], container, own),
        reason=reason,
        detail=detail,
        restarts=container.get("restartCount", 0),
    )


def identity(meta: Body) -> dict[str, Any]:
    """Return the identity of the desktop from its labels."""
    return {"name": meta["name"], "desktop_id": meta["labels"].get(DESKTOP, ""), "run": run_of(meta)}


def run_of(meta: Body) -> int:
    """Return the run from the label, or 0, which no run has, if the label is not ours."""
    written: str = meta.get("labels", {}).get(RUN, "")
    return int(written) if written.isdecimal() else 0


def about(event: Body) -> Body:
    """Return the object that an event is about."""
    found: Body = event.get("involvedObject") or {}
    return found


def ready_since(pod: Body) -> datetime | None:
    since = _became(pod["status"], "Ready")
    return datetime.fromisoformat(since) if since else None


def waits_to_restart(pod: Body) -> bool:
    """Say whether the container has ended and will be restarted. Its log is then the previous container's."""
    container = _container(pod["status"])
    return "waiting" in container.get("state", {}) and bool(container.get("lastState"))


def event_time(event: Body) -> str:
    """Return the time of the last occurrence, from the series or from the fields of older or newer events."""
    in_series = (event.get("series") or {}).get("lastObservedTime")
    last = in_series or event.get("lastTimestamp") or event.get("eventTime")
    return str(last or event["metadata"].get("creationTimestamp"))


def _in_order(event: Body) -> str:
    """Return text that sorts by time. Some clocks write whole seconds, others also fractions."""
    return event_time(event).rstrip("Z")


def claim_of(pod: Body) -> str:
    """Return the name of the home folder's claim."""
    volumes = pod.get("spec", {}).get("volumes", ())
    claims = (volume.get("persistentVolumeClaim", {}).get("claimName", "") for volume in volumes)
    return next(filter(None, claims), "")


def is_of_claim(event: Body, claim: str) -> bool:
    return (about(event).get("kind"), about(event).get("name")) == ("PersistentVolumeClaim", claim)


def _completed(event: Body) -> Body:
    """Fill in missing fields, because any client may write incomplete events."""
    return event | {part: event.get(part) or "" for part in ("reason", "message")}


def _container(status: Body) -> Body:
    return next((found for found in status.get("containerStatuses", ()) if found["name"] == CONTAINER), {})


def _endpoint(meta: Body) -> VNCEndpoint | None:
    host, _, port = meta.get("annotations", {}).get(ENDPOINT, "").rpartition(":")
    return VNCEndpoint("tcp", host.strip("[]"), int(port)) if host else None


def _steps(status: Body, container: Body, events: list[Body]) -> dict[str, datetime]:
    """Return the times of the steps. A missing time is taken from the next step, because clusters forget events."""
    times = {
        "scheduled": _became(status, "PodScheduled"),
        "mounted": _became(status, *_SANDBOX_READY) or _first(events, "Pulling", "Pulled"),
        "pulled": _first(events, "Pulled"),
        "started": _started(container),
        "ready": _became(status, "Ready"),
    }
    later = None
    for step in reversed(STEPS):
        later = times[step] = min(filter(None, (times[step], later)), default=None)
    return {step: datetime.fromisoformat(at) for step, at in times.items() if at}


def _became(status: Body, *kinds: str) -> str | None:
    """Return since when the first true condition of these kinds is true."""
    found = (condition(status, kind) for kind in kinds)
    return next((each.get("lastTransitionTime") for each in found if each.get("status") == "True"), None)


def _first(events: list[Body], *reasons: str) -> str | None:
    return min(
        (
            event.get("firstTimestamp") or event.get("eventTime") or event_time(event)
            for event in events
            if event["reason"] in reasons
        ),
        default=None,
    )


def _started(container: Body) -> str | None:
    """Return the start time of the running or last container."""
    states = (*container.get("state", {}).values(), *container.get("lastState", {}).values())
    times = (state.get("startedAt") for state in states)
    return next((at for at in times if at and not at.startswith(_NEVER)), None)
