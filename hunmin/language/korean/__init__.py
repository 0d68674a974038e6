"""Korean sentences: endings, inflection, types, other forms of a request."""
