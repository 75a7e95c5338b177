"""One file per action, each the whole story on one page; joins the rooms below, which know nothing of each other.

Nothing here formats for a terminal or parses options: values come in, values go out, and what happens on the way is
told to a callback.
"""
