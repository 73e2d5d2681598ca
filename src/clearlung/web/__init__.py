"""The plan in a browser, and its HTTP API."""

from clearlung.web.app import create_app, serve

__all__ = ["create_app", "serve"]
