"""Serve bundles over HTTP, without MLflow and without a training framework: what the image runs.

A request passes these files in order: `connections` (who may be connected, and how long each state of a connection may
last), `app` and `service` (which address is whose), `body` (what is read, bounded), `queue` (who computes when),
`parse` and `predictions` (the question and its answer).
"""
