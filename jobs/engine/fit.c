#include "jobs/engine/fit.h"
#include "core/fault.h"
#include "jobs/engine/fit_input.h"

enum status fit_run(struct run *run) {
    struct fit_input input;
    fault_point("fit");
    TRY(fit_input_read(&input, run->comm, &run->dataset, run->config.data.max_len));
    enum status status = run->model.ops->fit(&run->model, &input.fit);
    fit_input_close(&input);
    return comm_agree(run->comm, status);
}
