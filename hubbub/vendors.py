"""For plugins that ask a vendor over HTTP: its client, its event streams, its refusals in our words."""

from runtime.vendors import CONNECT, MAX_EVENT, Door, Service, Vendor

__all__ = ["CONNECT", "MAX_EVENT", "Door", "Service", "Vendor"]
