"""Readers that will turn the datastore and a live rack into a snapshot.

Empty so far: a snapshot has to come from a file. What belongs here are the readers of the control plane's
datastore, of DDM peers, of the switches' backplane maps and of the service-processor inventory.

This package may use the vocabulary of ``blueprints`` and nothing else of ours: it neither plans nor writes.
"""
