"""Building blocks of the screen: lists, tables, input lines, the header and the key bar."""
