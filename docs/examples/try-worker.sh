# try-worker.sh: what a worker answers to its first frame. To be run in the folder of worker.pl.

printf '\35\0\0\0\1PGLW\1\0\0\0\0\0\1\0TTTTTTTTTTTTTTTT' | perl worker.pl | od -c
