"""A tiny API on the real base classes: the URL configuration for tests of what all endpoints share."""

from datetime import timedelta
from typing import Any

from django.urls import include, path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import tokens
from accounts.api.endpoint import Endpoint
from accounts.models import User
from core.api.endpoint import OpenEndpoint
from core.api.serializers import StrictSerializer
from core.errors import Refusal
from portal.urls import urlpatterns as ours


class Thing(StrictSerializer):
    word = serializers.CharField(max_length=50, required=False)
    number = serializers.IntegerField(min_value=1, max_value=10, required=False)
    flag = serializers.BooleanField(required=False)


class Things(Endpoint):
    rates = {"POST": "create"}
    opens_to_bound = True

    def get(self, request: Request) -> Response:
        return Response({"asked": self.query(Thing)})

    def post(self, request: Request) -> Response:
        sent = self.body(Thing)
        if sent.get("word") == "busy":
            raise Busy
        if sent.get("word") == "broken":
            raise ZeroDivisionError("broken")
        made = User.objects.create_user(f"made-{User.objects.count()}").pk
        return Response({"sent": sent, "made": str(made), "secret": "a secret of the answer"}, status=201)


class Busy(Refusal):
    slug = "busy"


class Ssh(Endpoint):
    needs = {"GET": ("ssh",)}

    def get(self, request: Request) -> Response:
        return Response({"you": str(request.user.pk)})


class Staff(Endpoint):
    administers = {"GET": "accounts.view_user"}

    def get(self, request: Request) -> Response:
        return Response({"users": User.objects.count()})


class Open(OpenEndpoint):
    rates = {"POST": "login"}

    def post(self, request: Request) -> Response:
        return Response(self.body(Thing))


def token(user: User, **scope: Any) -> str:
    lifetime = scope.pop("lifetime", timedelta(hours=1))
    label = scope.pop("label", "a script")
    scope = {"session_id": "s", "permissions": ("vnc", "ssh")} | scope
    return tokens.issue(user, scope=tokens.TokenScope(**scope), lifetime=lifetime, label=label)


urlpatterns = [
    path(
        "api/v1/ground/",
        include(
            [
                path("things", Things.as_view()),
                path("ssh", Ssh.as_view()),
                path("staff", Staff.as_view()),
                path("open", Open.as_view()),
            ]
        ),
    ),
    *ours,
]
