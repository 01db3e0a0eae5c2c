/* What main() gives every job. Each job is collective and returns the exit code's status, the same
 * on all ranks. */
#ifndef JOBS_JOB_H
#define JOBS_JOB_H
#include "core/status.h"
#include "mpi/comm.h"

typedef enum status job_fn(struct comm *comm, int argc, char **argv);

job_fn job_prepare;
job_fn job_synth;
job_fn job_features;
job_fn job_enrich;
job_fn job_train;
job_fn job_evaluate;
job_fn job_recommend;
job_fn job_report;
job_fn job_plan;
job_fn job_bench;
job_fn job_doctor;

#endif
