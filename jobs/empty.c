typedef int jobs_is_empty;
