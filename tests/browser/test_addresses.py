"""Addresses that go and others that come, on either side, and a program that is there before its network: two network
namespaces as two machines. Needs root (tests/run sees to it); a plain skip without."""

import pytest

import netns
from car import until

@pytest.fixture(scope="module")
def allowed():
    if reason := netns.why_not():
        pytest.skip(reason)


@pytest.fixture
def network(allowed):
    made = netns.Network(cables=2)
    yield made
    made.remove()


@pytest.fixture
def away(network, own_chromium, watch, tmp_path):
    """`away(url)`: a page in a browser on the other machine."""
    wrapper = tmp_path / "chromium"
    wrapper.write_text(f'#!/bin/sh\nexec ip netns exec {network.viewer} /usr/bin/chromium "$@"\n')
    wrapper.chmod(0o755)
    return lambda url: watch(url, browser=own_chromium(wrapper))


@pytest.fixture
def far_car(car, network):
    """`far_car(ip)`: the program on its own machine, listening everywhere."""
    return lambda ip, **options: car("--source", "demo", ip=ip, bind="0.0.0.0", namespace=network.car, **options)


def test_the_car_loses_its_address_and_gets_it_back(network, away, far_car):
    network.up(0, car="10.77.1.1/24", viewer="10.77.1.2/24")
    one = far_car("10.77.1.1")
    page = away(one.url)
    page.wait_shown(10)
    network.delete(0, "car", "10.77.1.1/24")
    page.wait_said("frozen|lost|again|reconnect|no picture")
    network.add(0, "car", "10.77.1.1/24")
    page.wait_shown(20, deadline=40)
    page.wait_not_said("frozen|lost")
    one.wait_viewers(1)


def test_the_car_goes_from_one_network_to_another_while_watched(network, away, far_car):
    """Wi-Fi to modem: the page was opened by an address that stays; the picture ran over whichever ICE chose."""
    network.up(0, car="10.77.1.1/24", viewer="10.77.1.2/24")
    network.up(1, car="10.77.2.1/24", viewer="10.77.2.2/24")
    one = far_car("10.77.2.1")
    page = away(one.url)
    page.wait_shown(10)
    network.delete(0, "car", "10.77.1.1/24")
    page.wait_shown(60, deadline=40)
    network.add(0, "car", "10.77.1.7/24")
    network.delete(1, "viewer", "10.77.2.2/24")
    network.add(1, "viewer", "10.77.2.3/24")
    page.wait_shown(60, deadline=40)
    one.wait_viewers(1)


def test_the_viewer_gets_another_address(network, away, far_car):
    network.up(0, car="10.77.1.1/24", viewer="10.77.1.2/24")
    one = far_car("10.77.1.1")
    page = away(one.url)
    page.wait_shown(10)
    network.delete(0, "viewer", "10.77.1.2/24")
    network.add(0, "viewer", "10.77.1.3/24")
    page.until("recorder.shown.length && performance.now() - recorder.shown.at(-1).now > 200 || "
               "windshield.stats().reconnects > 0", "the old way is dead")
    page.wait_shown(30, deadline=40)
    viewer = one.wait_viewers(1)[0]
    assert "10.77.1.3" in viewer["remote"]


def test_the_program_is_there_before_any_network_is(network, away, far_car):
    one = far_car("10.77.1.1", ready=False)
    until(lambda: str(one.port) in one.log() or one.process.poll() is not None, "it says what it is")
    assert one.process.poll() is None, one.log()
    network.up(0, car="10.77.1.1/24", viewer="10.77.1.2/24")
    page = away(one.url)
    page.wait_shown(30)
    assert "10.77.1.2" in one.wait_viewers(1)[0]["remote"]
