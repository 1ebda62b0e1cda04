"""One photograph: opening, colour, letterbox, EXIF, position. Bytes and images in, values out."""
