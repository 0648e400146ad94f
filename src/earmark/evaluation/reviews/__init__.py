"""Detections that people listened to: which to choose, their answers as a table, and what these say of all that was found.

choosing    which events are worth listening to, how each was chosen and with what probability
answers     the table that is filled in by whatever program, read back with errors by line
precision   how many of all events are right, by tag, with an interval
curve       the score of an event → the probability that it is right
"""
