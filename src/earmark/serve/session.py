"""The page's way in where a token is asked for: it is sent once, and a cookie that only the browser can read stands for it."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from earmark.serve.api import REFUSALS, TAKES_JSON
from earmark.serve.guard import cookie_name, cookie_of, same
from earmark.serve.service import Here
from earmark.serve.shapes import Health, Session
from earmark.serve.uploads import Refused

router = APIRouter(responses=REFUSALS)


@router.post("/v1/session", responses=TAKES_JSON)
def enter(told: Session, here: Here, request: Request, response: Response) -> Health:
    """Trade the token for the page's cookie."""
    token = here.settings.token
    if token is not None:
        if not same(told.token, token):
            raise Refused(401, "this is not the service's token")
        secure = request.url.scheme == "https"
        response.set_cookie(
            cookie_name(request.scope),
            cookie_of(token),
            httponly=True,
            samesite="strict",
            secure=secure,
            max_age=30 * 86_400,
        )
    return Health(status="ok")


@router.delete("/v1/session")
def leave(request: Request, response: Response) -> Health:
    """Forget the cookie."""
    response.delete_cookie(cookie_name(request.scope))
    return Health(status="ok")
