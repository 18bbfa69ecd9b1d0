"""No address of a special purpose passes for one of the public internet."""

from ipaddress import ip_address, ip_network

import pytest

from avadclip.apps.fetch.addresses import is_allowed

# IANA's registries of special-purpose addresses, without the blocks that are globally reachable, and its list of
# multicast; then the retired forms, which hold an IPv4 address of anybody's choice.
NOT_PUBLIC = (
    "0.0.0.0/8", "0.0.0.0/32", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
    "192.0.0.0/24", "192.0.0.0/29", "192.0.0.8/32", "192.0.0.170/32", "192.0.0.171/32", "192.0.2.0/24",
    "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
    "240.0.0.0/4", "255.255.255.255/32",
    "::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001::/23", "2001::/32", "2001:2::/48",
    "2001:10::/28", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10",
    "ff00::/8", "::/96", "::ffff:0:0:0/96", "4000::/3", "e000::/4",
)  # fmt: skip
EMBEDDING = ("::ffff:0:0", "64:ff9b::")  # mapped, NAT64: as public as the IPv4 address in the last 32 bits


@pytest.mark.parametrize("block", NOT_PUBLIC)
def test_no_address_of_a_special_block_is_allowed(block: str) -> None:
    network = ip_network(block)
    for number in {0, 1, network.num_addresses // 2, network.num_addresses - 1} - {network.num_addresses}:
        address = network[number]
        assert not is_allowed(address, ())
        assert is_allowed(address, (network,))
        if address.version == 4:
            for prefix in EMBEDDING:
                inside = ip_address(int(ip_address(prefix)) + int(address))
                assert not is_allowed(inside, ())
                assert is_allowed(inside, (network,))


@pytest.mark.parametrize(
    "address",
    [
        "::127.0.0.1",
        "::93.184.215.14",
        "2002:7f00:1::",
        "2002:5db8:d70e::",
        "2001:0:5db8:d70e::",
        "64:ff9b:1::5db8:d70e",
    ],
)
def test_retired_and_local_forms_of_ipv4_are_not_allowed(address: str) -> None:
    assert not is_allowed(ip_address(address), ())


@pytest.mark.parametrize(
    "address",
    [
        "93.184.215.14",
        "8.8.8.8",
        "2606:2800:21f:cb07:6820:80da:af6b:8b2c",
        "::ffff:93.184.215.14",
        "64:ff9b::5db8:d70e",
    ],
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(ip_address(address), ())


def test_a_network_allows_its_own_addresses_only() -> None:
    networks = (ip_network("10.1.0.0/16"),)
    assert is_allowed(ip_address("10.1.255.255"), networks)
    assert not is_allowed(ip_address("10.2.0.0"), networks)
    assert not is_allowed(ip_address("::10.1.0.1"), networks)
