#include "core/models/registry.h"
#include "core/models/abxi.h"
#include "core/models/bprmf.h"
#include "core/models/c2dsr.h"
#include "core/models/ease.h"
#include "core/models/gru4rec.h"
#include "core/models/itemknn.h"
#include "core/models/llm_emf.h"
#include "core/models/mifn.h"
#include "core/models/ncf.h"
#include "core/models/pinet.h"
#include "core/models/psjnet.h"
#include "core/models/sasrec.h"
#include "core/models/sema_cdr.h"
#include "core/models/srgnn.h"
#include "core/models/tema_llm.h"
#include "core/models/tricdr.h"

/* The first is the default of model.name. */
static const struct model_ops *const models[] = {
    &llm_emf, &tema_llm, &sema_cdr, &sasrec, &gru4rec, &srgnn, &pinet,   &psjnet,
    &mifn,    &tricdr,   &abxi,     &c2dsr,  &bprmf,   &ncf,   &itemknn, &ease,
};

void models_register(void) {
    for (size_t i = 0; i < sizeof models / sizeof *models; i++)
        model_register(models[i]);
}
