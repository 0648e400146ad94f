"""Tags and events over HTTP, and a page for people: another door to the library, which answers as the commands do.

    app = build(Settings(), {"esc10": earmark.load("esc10")})       any ASGI server can host it
    run(settings, taggers)                                          `earmark serve`: uvicorn hosts it

Needs the extra `serve`; nothing here needs torch. How a request goes: `guard` refuses who may not ask, `uploads` takes in the
sound, bounded while it is read, `work` has workers and a bounded queue, `answers` asks the library, `api` says so in HTTP.
"""

from __future__ import annotations
