/* The list of all models. */
#ifndef CORE_MODELS_REGISTRY_H
#define CORE_MODELS_REGISTRY_H

/* Register every model, before the first config. Harmless twice. */
void models_register(void);

#endif
