"""Geography: countries and groups, scopes against a fleet, declared countries against what nodes say.

Everything here is pure but for reading our own tables. It refuses to guess: what is not declared is never assumed to
be inside or outside, and a country group is never expanded without saying so.
"""
