/* gmemfs: maps files of a gmemfs mount into this process as device memory. The C interface of libgmemfs.
 *
 *     gmemfs_file *file;
 *     gmemfs_mapping *mapping;
 *     gmemfs_mapping_info info = {.struct_size = sizeof info};
 *     if (gmemfs_open("/mnt/gpu/weights", NULL, &file) || gmemfs_map(file, NULL, &mapping)
 *         || gmemfs_get_info(mapping, &info))
 *         errx(1, "%s", gmemfs_last_error());
 *     kernel<<<...>>>((float *)info.address, ...);
 *
 * Results   Every function that can fail returns 0 or an errno, and leaves a line of text for gmemfs_last_error().
 * Threads   Every function may be called from any thread, two on one object at once as well. A call on what another
 *           thread has closed or unmapped meanwhile is EBADF; one that is under way when that happens is finished.
 * Ending    Everything may also be called by atexit handlers, by destructors of static objects, and by threads that
 *           end. What isn't unmapped when the process ends is unmapped then.
 * Contexts  None is made and none is needed: the driver is initialised, and its virtual memory calls work on the
 *           process's addresses. Kernels use a mapping in whatever context of its device is current.
 * Sizes     Bytes, throughout. Device memory comes in multiples of 2 MiB.
 * Versions  An options struct begins with its size; fields are only ever added at the end. Set what you don't use to 0.
 *           A null pointer in place of options stands for all zeros.
 * fork      Objects belong to the process that made them. In a copy of that process (fork) gmemfs_close,
 *           gmemfs_unmap, gmemfs_release and the deleters of tensors do nothing, and everything else returns ECHILD,
 *           because CUDA doesn't outlive a fork either. Start processes anew. A program that has called nothing here
 *           yet may fork.
 */
#ifndef GMEMFS_H
#define GMEMFS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gmemfs_file gmemfs_file;       /* an open file */
typedef struct gmemfs_mapping gmemfs_mapping; /* its memory, mapped; holds a lease */

/* ---- opening ---------------------------------------------------------------------------------------------------- */

#define GMEMFS_CREATE 1    /* make the file where there is none */
#define GMEMFS_EXCLUSIVE 2 /* with GMEMFS_CREATE: EEXIST where there is one */
#define GMEMFS_TRUNCATE 4  /* empty it first */

typedef struct gmemfs_open_options {
    size_t struct_size; /* sizeof(gmemfs_open_options) */
    int flags;          /* GMEMFS_CREATE ... */
    unsigned mode;      /* of a new file, less the umask; 0 stands for 0600 */
    uint64_t size;      /* the file's size is set to this; 0 leaves it as it is. New bytes are zeros. */
    const char *driver; /* library to load; NULL: $GMEMFS_DRIVER, else libcuda.so.1 */
} gmemfs_open_options;

/* Opens a file for reading and writing. A handle gives both, so both are needed. *file is the caller's, to be closed.
 * Nothing is made or cut where the driver can't be opened, nor ever outside a gmemfs mount.
 * ENOTTY: the path isn't on a gmemfs mount. ENOSPC: no device memory for the size. Else as open(2) and ftruncate(2). */
int gmemfs_open(const char *path, const gmemfs_open_options *options, gmemfs_file **file);

/* Closes the file; its mappings stay. NULL is fine. */
void gmemfs_close(gmemfs_file *file);

int gmemfs_get_size(gmemfs_file *file, uint64_t *size);
/* Sets the file's size. Mappings stay as they are; map again to see the new size. ENOSPC, EFBIG. */
int gmemfs_set_size(gmemfs_file *file, uint64_t size);

/* The file's descriptor, for fstat, flock and the like; it stays the file's. */
int gmemfs_get_fd(gmemfs_file *file);

/* The ordinal, in this process, of the device that the file lives on; -1 for host memory. ENODATA: it has no memory
 * yet, and may come to live on any. ENODEV: this process doesn't see that device (CUDA_VISIBLE_DEVICES). */
int gmemfs_get_device(gmemfs_file *file, int *ordinal);

/* After writing through a mapping, and after the kernels have ended: makes what the filesystem keeps of the contents
 * (parity, where it keeps any) current. fsync(2). EIO. */
int gmemfs_seal(gmemfs_file *file);

/* ---- mapping ---------------------------------------------------------------------------------------------------- */

#define GMEMFS_READ_WRITE 0
#define GMEMFS_READ 1 /* kernels of this process that write fault; others may still write */

#define GMEMFS_SHARED 0
#define GMEMFS_ALONE 1 /* EBUSY where another peer holds a lease, and for others while this one is held */

#define GMEMFS_HANDLES_ANY 0 /* fabric handles, and descriptors where those fail for whatever reason */
#define GMEMFS_HANDLES_FABRIC 1
#define GMEMFS_HANDLES_FD 2

typedef struct gmemfs_map_options {
    size_t struct_size;  /* sizeof(gmemfs_map_options) */
    int access;          /* GMEMFS_READ_WRITE, GMEMFS_READ */
    int sharing;         /* GMEMFS_SHARED, GMEMFS_ALONE */
    int handles;         /* GMEMFS_HANDLES_ANY ... */
    uint64_t address;    /* a device address that the mapping must have, say an earlier one's, so that captured graphs
                            stay good; 0: any */
    const int *devices;  /* ordinals of the devices that may use it besides those that the file lies on; NULL: all that
                            can reach these (cuDeviceCanAccessPeer). One that can't is ENOTSUP, and none is ENODEV. */
    size_t device_count; /* of `devices` */
} gmemfs_map_options;

/* Maps all of the file's memory at one contiguous device address, and takes a lease, which ends with the mapping.
 * *mapping is the caller's, to be unmapped. A process has one connection to a mount's broker for all of its mappings
 * there (one more for each 65,536), which stays for the next one, and a mapping has no descriptor of its own: the file
 * may be closed.
 * ENODATA: the file has no memory; give it a size. EACCES: its mode gives this user no reading and writing. EBUSY: see
 * GMEMFS_ALONE. EADDRINUSE: the wished address is taken. ECONNREFUSED, ENOENT: no broker can be reached. ENODEV: this
 * process doesn't see the device. ENOTSUP, ESTALE: no such handles here. */
int gmemfs_map(gmemfs_file *file, const gmemfs_map_options *options, gmemfs_mapping **mapping);

typedef struct gmemfs_mapping_info {
    size_t struct_size;    /* sizeof(gmemfs_mapping_info), set by the caller */
    uint64_t address;      /* device address (CUdeviceptr) of byte 0 */
    uint64_t length;       /* bytes that are mapped, a multiple of 2 MiB */
    uint64_t size;         /* of the file when it was mapped; what lies behind is zeros, unless a peer has written */
    int device;            /* ordinal of the device that byte 0 lives on; of host memory the first that may use it */
    int access;            /* GMEMFS_READ_WRITE, GMEMFS_READ */
    int handles;           /* GMEMFS_HANDLES_FABRIC or _FD: what was imported */
    unsigned extent_count; /* how many allocations it is made of */
    uint64_t host_address; /* where processors load and store it, of a file that lives in host memory; else 0 */
} gmemfs_mapping_info;

int gmemfs_get_info(gmemfs_mapping *mapping, gmemfs_mapping_info *info);

/* A dma-buf descriptor of a part of the mapping, for RDMA libraries (ibv_reg_dmabuf_mr); the caller's, to be closed.
 * Offset and length are multiples of the host's page. ENOTSUP: the driver can't. EINVAL: not within one extent,
 * or no CUDA context is current, which this call alone needs. */
int gmemfs_get_dma_buf(gmemfs_mapping *mapping, uint64_t offset, uint64_t length, int *fd);

/* Unmaps and ends the lease, when all work has ended that was queued before: in the primary contexts of the devices
 * that may use the mapping, and in the context that is current. Other contexts (cuCtxCreate) can't be found: wait for
 * them first. It makes no context, and doesn't disturb graphs that other threads capture. Tensors that were made of it
 * show nothing any more. An errno says what went wrong on the way (the context is lost, say); the mapping is gone all
 * the same, and so is its lease. NULL is fine. */
int gmemfs_unmap(gmemfs_mapping *mapping);

/* Gives the handle back. The memory is unmapped, as by gmemfs_unmap, when the last tensor that was made of it is
 * deleted: now, where there is none. NULL is fine. */
void gmemfs_release(gmemfs_mapping *mapping);

/* ---- waiting ---------------------------------------------------------------------------------------------------- */

typedef struct gmemfs_wait_options {
    size_t struct_size;  /* sizeof(gmemfs_wait_options) */
    const int *devices;  /* ordinals; NULL: all that this process sees */
    size_t device_count; /* of `devices` */
    const char *driver;  /* as in gmemfs_open_options */
} gmemfs_wait_options;

/* Waits as gmemfs_unmap does, and unmaps nothing: until all work has ended that was queued before, on whatever stream,
 * in the primary contexts of these devices, where they have one, and in the context that is current in this thread,
 * whichever device's it is. Unlike cuCtxSynchronize it leaves every graph whole that a thread captures, this one's own
 * as well; what a capture has recorded is no work yet. ENODEV: no such device. EINVAL: options. EIO and others, as the
 * driver has it: a context is lost, say; the other ones have been waited for. */
int gmemfs_wait(const gmemfs_wait_options *options);

/* ---- tensors ---------------------------------------------------------------------------------------------------- */

#define GMEMFS_TENSOR_VERSIONED 1 /* a DLManagedTensorVersioned of DLPack 1.0; else a DLManagedTensor */
#define GMEMFS_TENSOR_READ_ONLY 2 /* says so to the consumer; takes a versioned one */

typedef struct gmemfs_tensor_options {
    size_t struct_size;   /* sizeof(gmemfs_tensor_options) */
    int flags;            /* GMEMFS_TENSOR_... */
    uint64_t address;     /* of the first element, within the mapping: that is the caller's word */
    int32_t device_type;  /* DLPack's: 2 is CUDA */
    int32_t device_id;    /* ordinal */
    uint8_t dtype_code;   /* DLPack's: 0 int, 1 unsigned, 2 float, ... */
    uint8_t dtype_bits;   /* of an element */
    int ndim;             /* how many numbers `shape` has */
    const int64_t *shape; /* elements; the last index is the fastest, and there is no gap */
} gmemfs_tensor_options;

/* A DLPack tensor over the mapping (NULL for one without elements), which it holds: *tensor is the caller's, and its
 * deleter may be called in any thread, with or without Python's lock, and after Python has ended. EINVAL: unknown
 * flags, or no shape. */
int gmemfs_make_tensor(gmemfs_mapping *mapping, const gmemfs_tensor_options *options, void **tensor);

/* ---- directories ------------------------------------------------------------------------------------------------ */

typedef struct gmemfs_directory gmemfs_directory; /* what became of the files in one */

/* Maps all files in a directory, by one request to the broker, through one connection. Not what is in its directories.
 * *directory is the caller's, to be freed; so are the mappings in it, each to be unmapped when its time has come. A
 * file that can't be mapped has a code and hinders no other. Of the options, `address` is 0; `driver` is as in
 * gmemfs_open_options. ENOTDIR. EACCES: the directory can't be listed and searched. EUSERS: it has more than 1,024
 * files. ENOTTY, ECONNREFUSED: as of gmemfs_open and gmemfs_map. */
int gmemfs_map_directory(
    const char *path, const gmemfs_map_options *options, const char *driver, gmemfs_directory **directory);

typedef struct gmemfs_entry {
    size_t struct_size;      /* sizeof(gmemfs_entry), set by the caller */
    const char *name;        /* in the directory; good until that is freed, as the text is */
    gmemfs_mapping *mapping; /* as gmemfs_map makes one, with a lease of its own; NULL where there is a code */
    int code;                /* 0, or the errno. ENODATA: the file is empty. ESTALE: it was removed. EACCES, ... */
    const char *text;        /* what failed and what to do; "" where there is no code */
} gmemfs_entry;

/* In the order of readdir(3). */
size_t gmemfs_get_entry_count(gmemfs_directory *directory);
int gmemfs_get_entry(gmemfs_directory *directory, size_t index, gmemfs_entry *entry);

/* Frees the list; the mappings stay. NULL is fine. */
void gmemfs_free_directory(gmemfs_directory *directory);

/* ---- errors ----------------------------------------------------------------------------------------------------- */

/* What the last failure in this thread was: what failed, on what, and what to do, in one line. Never NULL; good until
 * the thread's next call. */
const char *gmemfs_last_error(void);

/* The CUresult of that failure; 0 where the driver wasn't the cause. */
int gmemfs_last_driver_error(void);

/* ---- for the Python package ------------------------------------------------------------------------------------- */

/* The interpreter's functions that capsules' destructors call, by the names of its C API. */
typedef struct gmemfs_python {
    int (*is_initialized)(void);                                  /* Py_IsInitialized */
    int (*has_lock)(void);                                        /* PyGILState_Check */
    void *(*this_thread)(void);                                   /* PyGILState_GetThisThreadState */
    void *(*unlock)(void);                                        /* PyEval_SaveThread */
    void (*lock)(void *);                                         /* PyEval_RestoreThread */
    void *(*capsule_new)(void *, const char *, void (*)(void *)); /* PyCapsule_New */
    int (*capsule_is_valid)(void *, const char *);                /* PyCapsule_IsValid */
    void *(*capsule_get_pointer)(void *, const char *);           /* PyCapsule_GetPointer */
} gmemfs_python;

/* Call this once, before the two functions below. *python is copied. */
void gmemfs_use_python(const gmemfs_python *python);

/* What a capsule named "gmemfs.owner" points to: handles that its destructor gives back (those that aren't NULL), the
 * mappings of a directory among them. So nothing is lost when an exception comes between a call and what follows it. */
typedef struct gmemfs_owner {
    gmemfs_file *file;
    gmemfs_mapping *mapping;
    gmemfs_directory *directory;
} gmemfs_owner;
void *gmemfs_make_owner(void); /* a new capsule, with NULLs; NULL with Python's exception */

/* gmemfs_make_tensor in a new capsule, whose destructor deletes what nobody took. NULL with *code and the last error,
 * or with Python's exception and *code 0. The caller has Python's lock. */
void *gmemfs_make_capsule(gmemfs_mapping *mapping, const gmemfs_tensor_options *options, int *code);

/* "0.1.0" */
const char *gmemfs_get_version(void);

#ifdef __cplusplus
}
#endif

#endif
