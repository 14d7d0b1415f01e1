"""The demo: every real part of headrace on one machine, with clouds whose machines are processes here.

Real: Postgres, Ray, the engines (llama.cpp answering prompts on this CPU), Envoy, the control plane, list prices and their dates.
Simulated: the clouds that rent the machines, their stock and their interruptions.
"""
