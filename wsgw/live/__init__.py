"""Definitions made ready to run: `compile` binds one Stage's routes, `stages` says which address leads to which.

A LiveStage never changes; a deployment replaces it. May import pipeline, integrations, authorizers and what is below.
"""
