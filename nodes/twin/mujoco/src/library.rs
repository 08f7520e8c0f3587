//! The foreign library: the only place of this room where foreign code is called.
//!
//! ```text
//!  open ──▶ Library (symbols) ──compile(text)──▶ World { spec, model, data }, freed together in this order reversed
//! ```
//! Everything behind the pointers is opaque: state goes in and out by `mj_getState` and `mj_setState`, whose sizes
//! are asked for on every call, sensors by name. A library in which the state bits mean something else does not
//! pass [`World::layout`]; single precision shows in the orientation it starts with.
#![allow(unsafe_code)] // foreign functions; every block says why it is sound

use crate::open::OpenError;
use crate::pin::MUJOCO;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, PoisonError};

/// Parts of a state, as bits of `mj_getState`.
pub(crate) mod part {
    use std::ffi::c_int;
    pub(crate) const QPOS: c_int = 1 << 1;
    pub(crate) const QVEL: c_int = 1 << 2;
    pub(crate) const WARMSTART: c_int = 1 << 5;
    pub(crate) const CTRL: c_int = 1 << 6;
    pub(crate) const JOINT_FORCE: c_int = 1 << 7;
    pub(crate) const BODY_FORCE: c_int = 1 << 8;
    /// All that the next step depends on: time, positions, rates, activations, histories, warm start, inputs, constraints.
    pub(crate) const EVERYTHING: c_int = (1 << 10) - 1;
}

/// Kind numbers of `mj_name2id`.
const JOINT: c_int = 3;
const SENSOR: c_int = 20;

type Handle = *mut c_void;
type Handler = unsafe extern "C" fn(*const c_char);

macro_rules! symbols {
    ($($field:ident = $name:literal: fn($($argument:ty),*) $(-> $result:ty)?;)+) => {
        /// The functions used, by what they do.
        struct Symbols { $($field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)+ }

        impl Symbols {
            /// # Safety
            /// `library` is a MuJoCo, whose functions have these signatures, and outlives the result.
            unsafe fn of(library: &libloading::Library) -> Result<Self, &'static str> {
                Ok(Self { $(
                    // SAFETY: the caller's contract; only the address is taken here.
                    $field: *unsafe { library.get($name.as_bytes()) }.map_err(|_| $name)?,
                )+ })
            }
        }
    };
}

symbols! {
    version = "mj_versionString": fn() -> *const c_char;
    parse = "mj_parseXMLString": fn(*const c_char, Handle, *mut c_char, c_int) -> Handle;
    compile = "mj_compile": fn(Handle, Handle) -> Handle;
    spec_error = "mjs_getError": fn(Handle) -> *const c_char;
    make_data = "mj_makeData": fn(Handle) -> Handle;
    reset_data = "mj_resetData": fn(Handle, Handle);
    step = "mj_step": fn(Handle, Handle);
    kinematics = "mj_kinematics": fn(Handle, Handle);
    position_sensors = "mj_sensorPos": fn(Handle, Handle);
    state_size = "mj_stateSize": fn(Handle, c_int) -> c_int;
    get_state = "mj_getState": fn(Handle, Handle, *mut f64, c_int);
    set_state = "mj_setState": fn(Handle, Handle, *const f64, c_int);
    id_of_name = "mj_name2id": fn(Handle, c_int, *const c_char) -> c_int;
    read_sensor = "mj_readSensor": fn(Handle, Handle, c_int, f64, *mut f64, c_int) -> *const f64;
    total_mass = "mj_getTotalmass": fn(Handle) -> f64;
    delete_spec = "mj_deleteSpec": fn(Handle);
    delete_model = "mj_deleteModel": fn(Handle);
    delete_data = "mj_deleteData": fn(Handle);
}

struct Opened {
    symbols: Symbols,
    path: PathBuf,
    version: String,
    /// Kept so that the functions stay where they are.
    _library: libloading::Library,
}

/// An opened MuJoCo. Cheap to clone; closed with the last clone and the last world of it.
#[derive(Clone)]
pub struct Library(Arc<Opened>);

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MuJoCo {} ({})", self.0.version, self.0.path.display())
    }
}

/// What MuJoCo has to say goes to standard error; by itself it would write a file into the working directory.
unsafe extern "C" fn tell(message: *const c_char) {
    if !message.is_null() {
        // SAFETY: MuJoCo passes a C string that lives for this call.
        let message = unsafe { CStr::from_ptr(message) }.to_string_lossy();
        // Nobody may be listening; unwinding into foreign code is not an option.
        writeln!(std::io::stderr(), "mujoco: {message}").ok();
    }
}

impl Library {
    /// Opens the library at `path`.
    ///
    /// # Errors
    /// [`OpenError::Load`] when it is no library, [`OpenError::TooOld`] when it lacks a function.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
        let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = path.display().to_string();
        // SAFETY: loading runs the library's initialisers; the file was named or installed to be loaded.
        let library = unsafe { libloading::Library::new(path) }
            .map_err(|e| OpenError::Load { path: shown.clone(), reason: e.to_string() })?;
        // SAFETY: signatures are those of MuJoCo's C interface; what is no MuJoCo lacks the names.
        let symbols = unsafe { Symbols::of(&library) };
        let symbols = symbols.map_err(|symbol| {
            // SAFETY: the function takes nothing and gives a C string, in every version that has it.
            let version =
                unsafe { library.get::<unsafe extern "C" fn() -> *const c_char>("mj_versionString") };
            // SAFETY: as above; the string is static.
            let version = version.map(|v| format!("MuJoCo {} ", unsafe { text(v()) })).unwrap_or_default();
            OpenError::TooOld { path: shown.clone(), version, symbol, expected: MUJOCO.version }
        })?;
        // SAFETY: the symbol is a variable that holds a nullable function pointer of this type.
        let handler = unsafe { library.get::<*mut Option<Handler>>("mju_user_warning") };
        let handler = handler.map_err(|_| OpenError::TooOld {
            path: shown,
            version: String::new(),
            symbol: "mju_user_warning",
            expected: MUJOCO.version,
        })?;
        // SAFETY: written once per loaded library, under the lock, before any world of it exists.
        unsafe {
            if (**handler).is_none() {
                **handler = Some(tell as Handler);
            }
        }
        // SAFETY: takes nothing and gives a static C string.
        let version = unsafe { text((symbols.version)()) };
        Ok(Self(Arc::new(Opened { symbols, path: path.to_owned(), version, _library: library })))
    }

    /// Version as the library itself says it.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// The library's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Parses and compiles a model.
    ///
    /// # Errors
    /// What MuJoCo says, with the line where it knows one.
    pub(crate) fn compile(&self, mjcf: &str) -> Result<World, String> {
        let symbols = &self.0.symbols;
        let mjcf = CString::new(mjcf).map_err(|e| format!("a zero byte at {}", e.nul_position()))?;
        let mut error: [c_char; 1024] = [0; 1024];
        // SAFETY: the text ends with a zero; the length of the error buffer is passed; a null VFS is allowed.
        let spec = unsafe {
            (symbols.parse)(mjcf.as_ptr(), ptr::null_mut(), error.as_mut_ptr(), error.len() as c_int)
        };
        // SAFETY: MuJoCo leaves a zero-terminated text in the buffer, or the zeros it began with.
        let said = unsafe { text(error.as_ptr()) };
        let Some(spec) = NonNull::new(spec) else { return Err(said) };
        if !said.is_empty() {
            writeln!(std::io::stderr(), "mujoco: {said}").ok();
        }
        // From here on the parts are freed by dropping.
        let mut world = World { library: self.clone(), spec, model: ptr::null_mut(), data: ptr::null_mut() };
        // SAFETY: the spec is live.
        world.model = unsafe { (symbols.compile)(spec.as_ptr(), ptr::null_mut()) };
        if world.model.is_null() {
            // SAFETY: the spec is live and owns the text.
            return Err(unsafe { text((symbols.spec_error)(spec.as_ptr())) });
        }
        // SAFETY: the model is live.
        world.data = unsafe { (symbols.make_data)(world.model) };
        if world.data.is_null() {
            return Err("no memory for the state".to_owned());
        }
        Ok(world)
    }
}

/// # Safety
/// `at` is null or points to a C string.
unsafe fn text(at: *const c_char) -> String {
    if at.is_null() {
        return String::new();
    }
    // SAFETY: the caller's contract.
    unsafe { CStr::from_ptr(at) }.to_string_lossy().trim().to_owned()
}

/// A sensor that gives `N` numbers. The model text decides how many: `model.rs` writes every sensor there is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sensor<const N: usize>(c_int);

/// One compiled model and its state.
pub(crate) struct World {
    library: Library,
    spec: NonNull<c_void>,
    model: Handle,
    data: Handle,
}

// SAFETY: the three handles belong to this world alone, and MuJoCo ties none of them to a thread.
unsafe impl Send for World {}

impl Drop for World {
    fn drop(&mut self) {
        let symbols = &self.library.0.symbols;
        // SAFETY: made by this library, not freed before, not used after.
        unsafe {
            if !self.data.is_null() {
                (symbols.delete_data)(self.data);
            }
            if !self.model.is_null() {
                (symbols.delete_model)(self.model);
            }
            (symbols.delete_spec)(self.spec.as_ptr());
        }
    }
}

impl World {
    /// How many numbers the given parts of the state have.
    pub(crate) fn size(&self, parts: c_int) -> usize {
        // SAFETY: the model is live; bits that do not exist are not passed.
        usize::try_from(unsafe { (self.library.0.symbols.state_size)(self.model, parts) }).unwrap_or(0)
    }

    /// Reads parts of the state; false, and nothing read, when `into` has another length.
    pub(crate) fn get(&self, parts: c_int, into: &mut [f64]) -> bool {
        let fits = into.len() == self.size(parts);
        if fits {
            // SAFETY: handles are live and the buffer has the size that MuJoCo asks for.
            unsafe { (self.library.0.symbols.get_state)(self.model, self.data, into.as_mut_ptr(), parts) };
        }
        fits
    }

    /// Writes parts of the state; false, and nothing written, when `from` has another length.
    pub(crate) fn set(&mut self, parts: c_int, from: &[f64]) -> bool {
        let fits = from.len() == self.size(parts);
        if fits {
            // SAFETY: handles are live and the buffer has the size that MuJoCo asks for.
            unsafe { (self.library.0.symbols.set_state)(self.model, self.data, from.as_ptr(), parts) };
        }
        fits
    }

    /// Everything as it was when the model was compiled.
    pub(crate) fn reset(&mut self) {
        // SAFETY: handles are live.
        unsafe { (self.library.0.symbols.reset_data)(self.model, self.data) };
    }

    /// One step. Sensors of force then tell of this step, poses are those before it: see [`Self::locate`].
    pub(crate) fn step(&mut self) {
        // SAFETY: handles are live; no callback of ours runs but `tell`.
        unsafe { (self.library.0.symbols.step)(self.model, self.data) };
    }

    /// Brings poses and position sensors to the present state; forces stay those of the last step.
    pub(crate) fn locate(&mut self) {
        // SAFETY: handles are live.
        unsafe {
            (self.library.0.symbols.kinematics)(self.model, self.data);
            (self.library.0.symbols.position_sensors)(self.model, self.data);
        }
    }

    pub(crate) fn joint_id(&self, name: &str) -> Option<usize> {
        self.id(JOINT, name).and_then(|id| usize::try_from(id).ok())
    }

    /// The sensor of this name, which the model text declares with `N` numbers.
    pub(crate) fn sensor<const N: usize>(&self, name: &str) -> Option<Sensor<N>> {
        self.id(SENSOR, name).map(Sensor)
    }

    fn id(&self, kind: c_int, name: &str) -> Option<c_int> {
        let name = CString::new(name).ok()?;
        // SAFETY: the model is live and the name ends with a zero.
        let id = unsafe { (self.library.0.symbols.id_of_name)(self.model, kind, name.as_ptr()) };
        (id >= 0).then_some(id)
    }

    pub(crate) fn read<const N: usize>(&self, sensor: Sensor<N>) -> [f64; N] {
        let mut into = [0.0; N];
        // SAFETY: the id is one of this model's, or of one with the same sensors; both places hold `N` numbers.
        unsafe {
            let read = self.library.0.symbols.read_sensor;
            let at = read(self.model, self.data, sensor.0, 0.0, into.as_mut_ptr(), 0);
            if !at.is_null() {
                ptr::copy_nonoverlapping(at, into.as_mut_ptr(), N);
            }
        }
        into
    }

    /// Mass of everything that moves, kg.
    pub(crate) fn mass_kg(&self) -> f64 {
        // SAFETY: the model is live.
        unsafe { (self.library.0.symbols.total_mass)(self.model) }
    }

    /// Whether the state bits mean what this room takes them for, in a model with one free base, `hinges` hinges and
    /// no actuator; else what was found.
    pub(crate) fn layout(&self, hinges: usize) -> Result<(), String> {
        let dofs = 6 + hinges;
        let expected = [
            (part::QPOS, dofs + 1),
            (part::QVEL, dofs),
            (part::WARMSTART, dofs),
            (part::CTRL, 0),
            (part::JOINT_FORCE, dofs),
        ];
        for (bit, size) in expected {
            if self.size(bit) != size {
                return Err(format!("state part {bit} has {} numbers, expected {size}", self.size(bit)));
            }
        }
        if !self.size(part::BODY_FORCE).is_multiple_of(6) || self.size(part::BODY_FORCE) == 0 {
            return Err(format!(
                "state part {} has {} numbers, expected six per body",
                part::BODY_FORCE,
                self.size(part::BODY_FORCE)
            ));
        }
        let mass = self.mass_kg();
        if !(mass.is_finite() && mass > 0.0) {
            return Err(format!("a total mass of {mass} kg, expected a positive one"));
        }
        Ok(())
    }
}
