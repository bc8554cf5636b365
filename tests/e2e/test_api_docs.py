"""The API page in a real browser: the Content-Security-Policy blocks nothing, and requests can be tried out."""

import os
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

pytestmark = pytest.mark.browser
PHONE = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2, "is_mobile": True, "has_touch": True}


@pytest.fixture
def token(portal) -> str:
    asked = {"username": "admin", "password": portal.password}
    return httpx.post(f"{portal.url}/api/v1/auth/token", json=asked, timeout=30).json()["token"]


@pytest.fixture
def said() -> list[str]:
    """Return the list of errors in the browser's console."""
    return []


@pytest.fixture
def open_docs(device, portal, said):
    def make(**options) -> Page:
        page = device(**options).new_page()
        page.on("console", lambda line: said.append(line.text) if line.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda asked: said.append(asked.url) if foreign(asked.url, portal.url) else None)
        page.goto("/api/docs/")
        expect(page.locator("#operations-Desktops-createPod")).to_be_visible()
        return page

    return make


def foreign(url: str, own: str) -> bool:
    return not url.startswith((own, "data:", "blob:"))


def picture(page: Page, name: str) -> None:
    if folder := os.environ.get("PICTURES"):
        page.screenshot(path=Path(folder) / f"{name}.png")


def test_authorize_and_ask(open_docs, token, said):
    page = open_docs()
    picture(page, "api-docs")
    page.get_by_role("button", name="Authorize").first.click()
    page.get_by_label("auth-apikey-value").or_(page.locator(".auth-container input").first).first.fill(token)
    page.locator(".auth-container button[type=submit]").first.click()
    page.locator(".auth-btn-wrapper .btn-done, .modal-ux button.close-modal").first.click()
    operation = page.locator("#operations-Desktops-listPods")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".responses-table.live-responses-table")
    expect(answer.locator(".response-col_status").last).to_contain_text("200")
    expect(answer).to_contain_text('"results"')
    expect(answer).to_contain_text("ratelimit-policy")
    picture(page, "api-docs-answer")
    assert said == []


def test_on_a_phone(open_docs, said):
    page = open_docs(**PHONE)
    wide = page.evaluate("document.documentElement.scrollWidth")
    picture(page, "api-docs-phone")
    page.locator("#operations-Desktops-createPod .opblock-summary-control").click()
    expect(page.locator("#operations-Desktops-createPod").get_by_role("button", name="Execute")).to_be_visible()
    picture(page, "api-docs-phone-operation")
    assert wide <= 390
    assert said == []
