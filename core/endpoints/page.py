"""The plain page at `/` for the signed-in operator: the last events and what became of each."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from core.endpoints import session
from core.endpoints.requests import Problem, body_of, operator
from core.endpoints.words import STATUS, why
from core.hooks import Hooks
from core.phones import mask
from core.proof import same_secret

if TYPE_CHECKING:
    from core.app import Vestnik

_FIELDS = 100  # of a form; the sign-in has one
_HEAD = """<!doctype html><html lang="ru"><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>Vestnik</title>
<style>body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222}table{border-collapse:collapse;width:100%}
td,th{text-align:left;vertical-align:top;padding:.5rem .6rem;border-bottom:1px solid #ddd}th{font-weight:600;color:#555}pre{margin:0;font:inherit;white-space:pre-wrap}
.note{background:#fff4d6;padding:.6rem .8rem;border-radius:.4rem}.muted{color:#777}input,button{font:inherit;padding:.4rem .6rem}</style>"""


async def page(app: Vestnik, request: Request) -> Response:
    """GET shows the page or the sign-in; POST signs in."""
    if request.method == "POST":
        return await _sign_in(app, request)
    if not operator(app, request):
        return _login()
    rows = await app.run.store.look.ask("latest_events", most=50)
    calls = await app.run.store.look.to_call(app.now())
    file, problem = app.config.path.name, app.reloader.problem
    notes = [f"{file} изменён с ошибкой, действует прежняя настройка: {problem}"] if problem else []
    notes += [f"Нужен перезапуск: {text}" for text in app.reloader.later]
    warning = "".join(f'<p class="note">{escape(text)}</p>' for text in (*notes, *app.warnings))
    listed = "".join(_row(app.run.hooks, row) for row in rows) or '<tr><td colspan="4" class="muted">Событий пока нет.</td></tr>'
    call = "".join(
        f"<li>{escape(entry['phone'] or '')} {escape(entry['client_name'] or '')}: {escape(entry['message'] or entry['error'] or '')}</li>"
        for entry in calls
    )
    calling = f"<h2>Позвоните клиенту</h2><ul>{call}</ul>" if call else ""
    table = f"<table><tr><th>Когда (UTC)</th><th>Событие</th><th>Что стало</th><th>Почему или текст</th></tr>{listed}</table>"
    return _html(f"<h1>Vestnik</h1>{warning}{calling}<h2>Последние события</h2>{table}")


def _row(hooks: Hooks, row: dict[str, Any]) -> str:
    status = row["told_status"] or row["status"]
    where = f" ({row['channel']}, {row['transport']})" if row["transport"] else ""
    said = row["message"] or why(hooks, row["rule"], row["told_error"] or row["reason"])
    client = f"<br><span class=muted>{escape(mask(row['phone']) or '')}</span>" if row["phone"] else ""
    return (
        f"<tr><td>{row['created_at']:%d.%m %H:%M:%S}</td><td>{escape(row['event_type'])} {escape(str(row['external_id'] or row['record_id'] or ''))}{client}</td>"
        f"<td>{STATUS.get(status, status)}{escape(where)}</td><td><pre>{escape(said)}</pre></td></tr>"
    )


def _html(body: str, status: int = 200) -> HTMLResponse:
    """Kept by nobody on the way: it has clients in it."""
    return HTMLResponse(f"{_HEAD}{body}", status, {"Cache-Control": "no-store"})


def _login(problem: str = "", status: int = 200) -> HTMLResponse:
    note = f'<p class="note">{problem}</p>' if problem else ""
    form = '<form method="post"><p><input name="token" type="password" placeholder="Токен оператора" autofocus> <button>Войти</button></p></form>'
    return _html(f"<h1>Vestnik</h1>{note}{form}", status)


async def _sign_in(app: Vestnik, request: Request) -> Response:
    try:
        form = (await body_of(request)).decode("utf-8", "replace")
        given = parse_qs(form, max_num_fields=_FIELDS).get("token", [""])[0].strip()
    except Problem as problem:
        return Response(str(problem), problem.status)
    except ValueError:
        return Response(f"the form has more than {_FIELDS} fields", 400)
    if seconds := app.guesses.wait(app.now()):
        said = _login(f"Слишком много неверных токенов. Повторите через {seconds} с.", 429)
        said.headers["Retry-After"] = str(seconds)
        return said
    if not same_secret(given, app.token):
        app.guesses.wrong(given, app.now())
        return _login("Это не тот токен.", 401)
    answer = RedirectResponse("/", 303, {"Cache-Control": "no-store"})
    session.begin(answer, request, app.token, app.now())
    return answer
