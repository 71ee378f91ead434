"""Shapes of load between scenarios and the programs that put load on real systems.

curve        the load over time, as points
section      the traffic section of a scenario, with where its values come from
fitted       shapes fitted to a log
plan         what a load test asks for: routes, keys, users, pauses
k6           a plan as a k6 script
locust       a plan as a Locust file
literals     JavaScript literals, read without running them
read_k6      stages of k6
read_locust  stages of Locust
"""
