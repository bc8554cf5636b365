"""What each operation of the API is called: short names that stay, since clients are generated from them."""

from dataclasses import dataclass

TAGS = {
    "Desktops": "Launch, watch, connect, stop and delete your desktops. A desktop is called pod here.",
    "Files and quota": "What you may have, and the files that outlive a desktop.",
    "Tokens": "Session tokens: what scripts show in place of a password.",
    "Administration": "For administrators.",
}


@dataclass(frozen=True)
class Operation:
    name: str
    tag: str
    summary: str


def _rows(tag: str, *rows: tuple[str, str, str]) -> dict[str, Operation]:
    return {address: Operation(name, tag, summary) for address, name, summary in rows}


OPERATIONS = {
    **_rows(
        "Desktops",
        ("POST pods/create", "createPod", "Launch a desktop, or start the one of that name"),
        ("GET pods", "listPods", "Your desktops"),
        ("GET pods/{pod_name}", "getPod", "One desktop, and how to connect to it"),
        ("DELETE pods/{pod_name}", "deletePod", "Delete a desktop; its files stay unless you say otherwise"),
        ("POST pods/{pod_name}/start", "startPod", "Start a desktop that is stopped"),
        ("POST pods/{pod_name}/stop", "stopPod", "Stop a desktop; its files stay"),
        ("POST pods/{pod_name}/restart", "restartPod", "Stop a desktop and start it again"),
        ("POST pods/{pod_name}/extend", "extendPod", "Let a desktop run longer"),
        ("POST pods/{pod_name}/password", "showPodPassword", "The VNC password of a desktop"),
        ("POST pods/{pod_name}/token", "issuePodToken", "A session token for this desktop only"),
        ("GET pods/{pod_name}/logs", "getPodLogs", "What a desktop printed"),
        ("GET pods/{pod_name}/metrics", "getPodMetrics", "What a desktop uses"),
        ("GET pods/{pod_name}/events", "getPodEvents", "What happened to a desktop"),
        ("GET events", "getEvents", "What happens to all your desktops"),
        ("GET images", "listImages", "What kinds of desktops there are, and their sizes"),
        ("GET monitor/", "getMonitor", "Is everything well?"),
    ),
    **_rows(
        "Files and quota",
        ("GET quota", "getQuota", "What you may have, and what you use of it"),
        ("GET volumes", "listVolumes", "Files of your desktops, also of deleted ones"),
        ("DELETE volumes/{volume_id}", "deleteVolume", "Delete files that no desktop uses"),
    ),
    **_rows(
        "Tokens",
        ("POST auth/token", "obtainToken", "Get a session token for username and password"),
        ("POST auth/token/refresh", "refreshToken", "Change your token for one that lives longer"),
        ("POST auth/token/verify", "verifyToken", "What a token says, if it counts"),
        ("GET auth/tokens", "listTokens", "Your tokens"),
        ("POST auth/tokens", "issueToken", "Issue a further token"),
        ("DELETE auth/tokens/{token_id}", "revokeToken", "Revoke one of your tokens"),
        ("POST auth/tokens/revoke-all", "revokeAllTokens", "Revoke all your tokens, this one too"),
    ),
    **_rows(
        "Administration",
        ("GET admin/users", "listUsers", "All users"),
        ("POST admin/users", "createUser", "Add a user"),
        ("GET admin/users/{user_id}", "getUser", "One user"),
        ("PATCH admin/users/{user_id}", "changeUser", "Change, disable or enable a user"),
        ("DELETE admin/users/{user_id}", "deleteUser", "Delete a user who has no desktops or files left"),
        ("GET admin/users/{user_id}/quota", "getUserQuota", "What a user may have, from all quotas taken together"),
        ("GET admin/quotas", "listQuotas", "All quotas"),
        ("POST admin/quotas", "createQuota", "Add a quota for a user or a group"),
        ("GET admin/quotas/{quota_id}", "getOneQuota", "One quota"),
        ("PATCH admin/quotas/{quota_id}", "changeQuota", "Change a quota"),
        ("DELETE admin/quotas/{quota_id}", "deleteQuota", "Delete a quota"),
        ("GET admin/audit", "listAuditEvents", "Who did what, when and from where"),
        ("GET admin/pods", "listAllPods", "Everybody's desktops"),
        ("POST admin/pods/{pod_name}/stop", "stopAnyPod", "Stop anybody's desktop"),
        ("DELETE admin/pods/{pod_name}", "deleteAnyPod", "Delete anybody's desktop"),
    ),
}
