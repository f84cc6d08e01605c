"""Servers: one client for all, and for each dialect one small file that says how it is spoken."""
