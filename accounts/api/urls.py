from django.urls import path

from accounts.api import audit, quotas, tokens, users

app_name = "accounts_api"
urlpatterns = [
    path("auth/token", tokens.Obtain.as_view(), name="obtain_token"),
    path("auth/token/refresh", tokens.Refresh.as_view(), name="refresh_token"),
    path("auth/token/verify", tokens.Verify.as_view(), name="verify_token"),
    path("auth/tokens", tokens.Tokens.as_view(), name="tokens"),
    path("auth/tokens/<uuid:token_id>", tokens.OneToken.as_view(), name="token"),
    path("auth/tokens/revoke-all", tokens.RevokeAll.as_view(), name="revoke_all_tokens"),
    path("admin/users", users.Users.as_view(), name="admin_users"),
    path("admin/users/<uuid:user_id>", users.OneUser.as_view(), name="admin_user"),
    path("admin/users/<uuid:user_id>/quota", quotas.UserQuota.as_view(), name="admin_user_quota"),
    path("admin/quotas", quotas.Quotas.as_view(), name="admin_quotas"),
    path("admin/quotas/<int:quota_id>", quotas.OneQuota.as_view(), name="admin_quota"),
    path("admin/audit", audit.Audit.as_view(), name="admin_audit"),
]
