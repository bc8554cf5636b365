from django.urls import path

from accounts import ssh_key_views, time_zone_views, token_views, views

app_name = "accounts"
urlpatterns = [
    path("login/", views.login, name="login"),
    path("logout/", views.logout, name="logout"),
    path("password/", views.change_password, name="password_change"),
    path("sign-out-everywhere/", views.sign_out_everywhere, name="sign_out_everywhere"),
    path("ssh-keys/", ssh_key_views.page, name="ssh_keys"),
    path("ssh-keys/<int:key_id>/delete/", ssh_key_views.delete, name="delete_ssh_key"),
    path("time-zone/", time_zone_views.page, name="time_zone"),
    path("tokens/", token_views.page, name="tokens"),
    path("tokens/revoke-all/", token_views.revoke_all, name="revoke_all_tokens"),
    path("tokens/<uuid:token_id>/revoke/", token_views.revoke, name="revoke_token"),
]
