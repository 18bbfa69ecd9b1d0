"""Which network addresses belong to the public internet: an allow-list of global unicast.

IANA's registries of special-purpose addresses are the source:
https://www.iana.org/assignments/iana-ipv4-special-registry and .../iana-ipv6-special-registry.
"""

import ipaddress
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_GLOBAL_UNICAST = ip_network("2000::/3")  # all that IANA has allocated of IPv6
_NAT64 = ip_network("64:ff9b::/96")
# Relays, Teredo, 6to4 and documentation: `is_global` depends on the Python version for some of these.
_SPECIAL: tuple[Network, ...] = tuple(
    ip_network(network) for network in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")
)


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Whether an address is public or inside one of `networks`.

    An IPv4 address inside an IPv6 one (mapped, or NAT64's well-known prefix) counts as that IPv4 address. Those inside
    the retired forms (compatible, 6to4, Teredo) are never public.
    """
    target = _embedded(address) or address
    return _is_inside(address, networks) or _is_inside(target, networks) or _is_public(target)


def _embedded(address: Address) -> IPv4Address | None:
    if isinstance(address, IPv4Address):
        return None
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else address.ipv4_mapped


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not _is_inside(address, _SPECIAL)


def _is_inside(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)  # False where the versions differ


def parse_address(text: str) -> Address:
    """The address as `getaddrinfo` writes it, without the zone (`%eth0`)."""
    return ipaddress.ip_address(text.partition("%")[0])
