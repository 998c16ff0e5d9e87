"""Parts of readers: pieces of a large text, values out of JSON, arrays, lines of a serial port, blocks of rows."""
