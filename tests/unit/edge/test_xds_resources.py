"""What is told over xDS is what the files hold, and a version changes only with its resource."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from scheduler.domain.routing import EdgeConfig, EdgeRoute
from scheduler.edge.envoy_listener import FrontDoor
from scheduler.edge.envoy_routes import route_table
from scheduler.edge.xds_resources import ENDPOINTS, ROUTES, Renderer, resource
from tests.unit.edge.test_envoy import CONFIG, DOOR

MORE = replace(CONFIG, routes=(*CONFIG.routes, EdgeRoute("other", (("chat", 60), ("more", 40)))))


def message(config: EdgeConfig, renderer: Renderer) -> object:
    from envoy.config.route.v3.route_pb2 import RouteConfiguration

    table = RouteConfiguration()
    assert renderer.render(config)[ROUTES]["models"].body.Unpack(table)
    return table


def test_a_route_table_put_together_by_name_is_the_table_of_the_files() -> None:
    from envoy.config.route.v3.route_pb2 import RouteConfiguration

    renderer = Renderer(DOOR)
    for config in (CONFIG, MORE, CONFIG, EdgeConfig()):
        whole = RouteConfiguration()
        assert resource(route_table(config)).body.Unpack(whole)
        assert message(config, renderer) == whole


def test_only_what_changed_has_another_version() -> None:
    renderer = Renderer(FrontDoor(Path("/x"), 1, 2, Path("/log")))
    before = renderer.render(CONFIG)
    place = CONFIG.backends[0].localities[0]
    fewer = replace(
        CONFIG.backends[0], localities=(replace(place, endpoints=(replace(place.endpoints[0], weight=50), place.endpoints[1])),)
    )
    after = renderer.render(replace(CONFIG, backends=(fewer,)))
    changed = {kind for kind in before if {n: r.digest for n, r in before[kind].items()} != {n: r.digest for n, r in after[kind].items()}}
    assert changed == {ENDPOINTS}
    again = Renderer(FrontDoor(Path("/x"), 1, 2, Path("/log"))).render(MORE)[ROUTES]["models"].digest
    assert renderer.render(MORE)[ROUTES]["models"].digest == again
