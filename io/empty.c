typedef int io_is_empty;
