"""Parts that the scenes share: buildings, furniture, street furniture, plants, textures."""
