"""An application without routes that already has the edge's manners: ids, problem documents, headers, counts.

The edge and the stand-alone gateway begin with it; what they serve is theirs to add.
"""

from collections.abc import Iterable
from typing import Final

from aiohttp import web

from edge.answers import AnswerHeads
from edge.client_address import ClientAddresses, Network
from edge.cors import Cors
from edge.delivery import deliver
from edge.metrics import EdgeMetrics
from edge.middleware import answer_problems, finish_headers, measure_routes, name_requests
from edge.request_ids import RequestIds

METRICS: Final = web.AppKey("metrics", EdgeMetrics)
# `closing` is also what readiness looks at: it turns true when the door begins to close.
HEADS: Final = web.AppKey("heads", AnswerHeads)
REQUEST_IDS: Final = web.AppKey("request_ids", RequestIds)
ADDRESSES: Final = web.AppKey("addresses", ClientAddresses)
CORS: Final = web.AppKey("cors", Cors)


def make_bare_app(
    *, trusted_proxies: Iterable[Network] = (), cors_origins: Iterable[str] = ()
) -> web.Application:
    """Make it. Serve it through `edge.lifetime.open_door`, which needs the keys above."""
    metrics, heads, request_ids = EdgeMetrics(), AnswerHeads(), RequestIds()
    app = web.Application(
        middlewares=[
            name_requests(request_ids),
            measure_routes(metrics),
            deliver(),
            answer_problems(metrics),
        ],
    )
    app[METRICS] = metrics
    app[HEADS] = heads
    app[REQUEST_IDS] = request_ids
    app[ADDRESSES] = ClientAddresses(trusted_proxies)
    app.on_response_prepare.append(finish_headers(heads))
    app[CORS] = cors = Cors(cors_origins)
    if cors:
        app.on_response_prepare.append(cors.allow)
    return app
