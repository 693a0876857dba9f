"""Messages to and from banks (ISO 20022): values in, bytes out, and the other way round."""
