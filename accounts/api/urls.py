from django.urls import path

from accounts.api import audit, tokens

app_name = "accounts_api"
urlpatterns = [
    path("auth/token", tokens.Obtain.as_view(), name="obtain_token"),
    path("auth/token/refresh", tokens.Refresh.as_view(), name="refresh_token"),
    path("auth/token/verify", tokens.Verify.as_view(), name="verify_token"),
    path("auth/tokens", tokens.Tokens.as_view(), name="tokens"),
    path("auth/tokens/<uuid:token_id>", tokens.OneToken.as_view(), name="token"),
    path("auth/tokens/revoke-all", tokens.RevokeAll.as_view(), name="revoke_all_tokens"),
    path("admin/audit", audit.Audit.as_view(), name="admin_audit"),
]
