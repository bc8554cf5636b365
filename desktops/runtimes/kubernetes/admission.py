"""Parse the amounts and messages in a cluster's admission refusals, for sentences that people read. Pure."""

import re

_WORDS = 300  # maximum characters kept of a rule's message

# LimitRange, since Kubernetes 1.10. One match per violated limit; several come as a list in brackets.
_LIMIT = re.compile(r"(maximum|minimum) (\S+) usage per \w+ is ([^\s,]+), but (?:limit|request) is ([^\s,\]]+)")
_BOUNDS = {"maximum": "above_limit", "minimum": "below_limit"}
_QUOTA = re.compile(r"exceeded quota: [^,]+, requested: (\S+), used: (\S+), limited: (\S+)")
# A rule's message follows the name of the object or of the webhook.
_RULE = re.compile(r"denied (?:the )?request: (.+)|is forbidden: (.+)", re.DOTALL)


def limit_broken(message: str) -> tuple[str, dict[str, str]] | None:
    """Return the reason with `what`, `limit` and `asked` of the first LimitRange limit that is violated."""
    if not (found := _LIMIT.search(message)):
        return None
    bound, what, limit, asked = found.groups()
    return _BOUNDS[bound], {"what": resource(what), "limit": limit, "asked": asked}


def quota_reached(message: str) -> dict[str, str]:
    """Return `what`, `asked`, `used` and `limit` of the first ResourceQuota amount that is exhausted."""
    if not (found := _QUOTA.search(message)):
        return {}
    asked, used, limited = (dict(pair.split("=", 1) for pair in part.split(",")) for part in found.groups())
    name = next(iter(limited))
    amounts = {"asked": asked.get(name, ""), "used": used.get(name, ""), "limit": limited[name]}
    return {"what": resource(name)} | amounts if all(amounts.values()) else {}


def rule_broken(message: str) -> dict[str, str]:
    """Return the rule's message in `words`, on one line."""
    found = _RULE.search(message)
    words = next(filter(None, found.groups())) if found else message
    return {"words": " ".join(words.split())[:_WORDS]}


def resource(name: str) -> str:
    """Return "cpu", "memory", "storage" or "pods" if the cluster's name means one of them, else the name itself."""
    plain = name.rpartition("/")[2].removeprefix("requests.").removeprefix("limits.")
    return plain if plain in ("cpu", "memory", "storage", "pods") else name
