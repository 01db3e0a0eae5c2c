#include "io/h5_attributes.h"
#include <hdf5.h>

int64_t h5_attribute_count(const struct h5_file *file, const char *object) {
    H5O_info_t info = {0};
    bool there =
        h5_exists(file, object) &&
        H5Oget_info_by_name2(file->id, object, &info, H5O_INFO_NUM_ATTRS, H5P_DEFAULT) >= 0;
    return there ? (int64_t)info.num_attrs : 0;
}

static bool find_class(hid_t type, struct h5_attribute *attribute) {
    switch (H5Tget_class(type)) {
    case H5T_INTEGER:
        attribute->kind = H5_INTEGER;
        break;
    case H5T_FLOAT:
        attribute->kind = H5_FLOAT;
        break;
    case H5T_STRING:
        attribute->kind = H5_STRING;
        break;
    default:
        return false;
    }
    attribute->bytes = H5Tis_variable_str(type) > 0 ? 0 : (int64_t)H5Tget_size(type);
    return true;
}

static bool describe(hid_t id, struct h5_attribute *attribute) {
    ssize_t length = H5Aget_name(id, sizeof attribute->name, attribute->name);
    hid_t type = H5Aget_type(id), space = H5Aget_space(id);
    bool one = length > 0 && length < H5_ATTRIBUTE_NAME && type >= 0 && space >= 0 &&
               H5Sget_simple_extent_npoints(space) == 1 && find_class(type, attribute);
    if (type >= 0)
        H5Tclose(type);
    if (space >= 0)
        H5Sclose(space);
    return one;
}

bool h5_attribute_at(const struct h5_file *file, const char *object, int64_t i,
                     struct h5_attribute *attribute) {
    hid_t id = H5Aopen_by_idx(file->id, object, H5_INDEX_NAME, H5_ITER_INC, (hsize_t)i, H5P_DEFAULT,
                              H5P_DEFAULT);
    if (id < 0)
        return false;
    bool one = describe(id, attribute);
    H5Aclose(id);
    return one;
}
