"""The page: header, welcome, bookmarks, checks of links."""
