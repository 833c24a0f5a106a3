"""Commands whose answer is a picture: of a model, of a law, of several starts that race."""
