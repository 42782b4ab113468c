"""For plugins that ask a vendor over HTTP: its client, its event streams, its refusals in our words."""

from orjson import dumps

from runtime.vendors import MAX_EVENT, Service, Vendor

__all__ = ["MAX_EVENT", "Service", "Vendor", "dumps"]
