//! Published byte vectors: every entry of both files, byte for byte, and none left out.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a vector file that cannot be read is a failed test")]

use serde_json::Value;
use sinew_bus::{CanFrame, CanId};
use sinew_devices::EncodeError;
use sinew_devices::damiao::{self, Model, Register, RegisterValue};
use sinew_devices::mit::{self, MitCommand, MitScaling};

fn file(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn damiao_file() -> Value {
    file(include_str!("data/damiao_mit_can.json"))
}

fn mini_cheetah_file() -> Value {
    file(include_str!("data/mit_mini_cheetah_cubemars.json"))
}

fn bytes(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn number(args: &Value, key: &str) -> f64 {
    match &args[key] {
        Value::String(text) if text == "NaN" => f64::NAN,
        value => value.as_f64().unwrap(),
    }
}

fn command(args: &Value) -> MitCommand {
    MitCommand {
        q_rad: number(args, "q"),
        dq_rad_s: number(args, "dq"),
        kp: number(args, "kp"),
        kd: number(args, "kd"),
        tau_nm: number(args, "tau"),
    }
}

fn register(args: &Value) -> Register {
    Register::from_number(args["rid"].as_u64().unwrap() as u8).unwrap()
}

fn close(found: f64, expected: &Value, what: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= 1e-8 * expected.abs().max(1.0), "{what}: {found} is not {expected}");
}

fn damiao_scaling(args: &Value) -> MitScaling {
    damiao::scaling(Model::from_name(args["motor"].as_str().unwrap()).unwrap())
}

/// The frame our encoder makes for one vector; None for the decoding ones.
fn damiao_frame(vector: &Value) -> Option<Result<CanFrame, EncodeError>> {
    let args = &vector["args"];
    let id = args["send_id"].as_u64().unwrap_or(0) as u16;
    Some(match vector["name"].as_str().unwrap() {
        "enable" => damiao::enable(id),
        "disable" => damiao::disable(id),
        "set_zero" => damiao::set_zero(id),
        "query_param" => damiao::read_register(id, register(args)),
        "refresh" => damiao::refresh(id),
        "set_control_mode" => {
            let mode = match args["mode"].as_str().unwrap() {
                "MIT" => damiao::ControlMode::Mit,
                "POS_VEL" => damiao::ControlMode::PosVel,
                other => panic!("no mode {other}"),
            };
            damiao::write_register(id, Register::ControlMode, RegisterValue::Integer(mode as u32))
        }
        "mit" | "mit_nan_HAZARD" => damiao::command(id, &damiao_scaling(args), &command(args)),
        "pos_vel" => damiao::pos_vel(id, number(args, "q"), number(args, "dq")),
        "vel" => damiao::velocity(id, number(args, "dq")),
        "pos_force" => damiao::pos_force(id, number(args, "q"), number(args, "dq"), number(args, "i")),
        "decode_state" => return None,
        other => panic!("no vector kind {other}"),
    })
}

#[test]
fn damiao_frames_match_byte_for_byte() {
    let mut seen = 0;
    for vector in damiao_file()["vectors"].as_array().unwrap() {
        if let Some(frame) = damiao_frame(vector) {
            let frame = frame.unwrap();
            assert_eq!(frame.payload(), bytes(&vector["data"]), "{vector}");
            assert_eq!(frame.id(), CanId::Standard(vector["id"].as_u64().unwrap() as u16), "{vector}");
        } else {
            let args = &vector["args"];
            let feedback = damiao::decode_feedback(&damiao_scaling(args), &bytes(&args["data"])).unwrap();
            close(feedback.q_rad, &vector["q"], vector);
            close(feedback.dq_rad_s, &vector["dq"], vector);
            close(feedback.tau_nm, &vector["tau"], vector);
            close(f64::from(feedback.t_mos_c), &vector["t_mos"], vector);
            close(f64::from(feedback.t_rotor_c), &vector["t_rotor"], vector);
        }
        seen += 1;
    }
    assert_eq!(seen, 54);
}

#[test]
fn damiao_hazards_are_refused() {
    let file = damiao_file();
    let hazards = file["must_reject"].as_array().unwrap();
    assert_eq!(hazards.len(), 4);
    for vector in hazards {
        assert_eq!(damiao_frame(vector).unwrap(), Err(EncodeError::NotFinite { field: "q_rad" }), "{vector}");
    }
}

/// Ranges of the drives in the mini-cheetah file.
fn mini_cheetah_scaling(args: &Value) -> MitScaling {
    let (v, t) = match args["motor"].as_str().unwrap() {
        "AK80-9" => (50.0, 18.0),
        "AK10-9" => (50.0, 65.0),
        "AK60-6" => (50.0, 15.0),
        "AK70-10" => (50.0, 25.0),
        "AK80-6" => (76.0, 12.0),
        "AK80-64" => (8.0, 144.0),
        "mini-cheetah" => (65.0, 18.0),
        other => panic!("no motor {other}"),
    };
    MitScaling::mini_cheetah(12.5, v, t)
}

#[test]
fn mini_cheetah_frames_match_byte_for_byte() {
    let file = mini_cheetah_file();
    let mut seen = 0;
    for vector in file["vectors"].as_array().unwrap() {
        let args = &vector["args"];
        let scaling = mini_cheetah_scaling(args);
        if vector["name"] == "mit" {
            assert_eq!(mit::encode(&scaling, &command(args)).unwrap(), *bytes(&vector["data"]), "{vector}");
        } else {
            let reply = mit::decode_reply(&scaling, &bytes(&args["data"])).unwrap();
            close(reply.q_rad, &vector["q"], vector);
            close(reply.dq_rad_s, &vector["dq"], vector);
            close(reply.tau_nm, &vector["tau"], vector);
            assert_eq!(u64::from(reply.id), vector["id"].as_u64().unwrap());
            assert_eq!(reply.temperature_raw.map(u64::from), vector["temp_raw"].as_u64());
            assert_eq!(reply.error.map(u64::from), vector["err"].as_u64());
        }
        seen += 1;
    }
    assert_eq!(seen, 32);
    for (fixed, ours) in
        file["fixed"].as_array().unwrap().iter().zip([mit::ENABLE, mit::DISABLE, mit::SET_ZERO])
    {
        assert_eq!(bytes(&fixed["data"]), ours, "{fixed}");
    }
}

#[test]
fn a_planted_wrong_byte_is_caught() {
    let file = mini_cheetah_file();
    let vector = &file["vectors"][2];
    let mut wrong = bytes(&vector["data"]);
    wrong[7] ^= 1;
    let args = &vector["args"];
    assert_ne!(mit::encode(&mini_cheetah_scaling(args), &command(args)).unwrap(), *wrong);
}
